// Package daemon makes a running gateway out of a configuration: it builds every part, hands each what it needs of the
// others, serves, and in the end drains and closes them in the right order. It is the only place that knows all
// of these parts; nothing here decides anything about a request. An Explainer is as much of a gateway as can be asked
// without running one.
package daemon
