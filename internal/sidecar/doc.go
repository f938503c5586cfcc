// Package sidecar reads what an installed DataFlux Func Sidecar has left on a host, for the move to Sidegate: the addresses and
// the secret in its configuration, and what sudo lets its user do. Both are read as data: nothing is expanded, nothing is run.
package sidecar
