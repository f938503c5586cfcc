// Package shell turns a command string into an Analysis: the facts about the
// command that a policy decides on.
//
// It is a security boundary. What an Analysis states must be what bash would
// do with the string; what cannot be known before running it is marked (a null
// value with its dynamic kinds, an opaque reason, a feature) and never
// guessed; and what mvdan.cc/sh and bash read differently is of class invalid.
// The package only describes: it allows nothing, and runs nothing.
package shell
