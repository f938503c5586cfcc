// Package process reads from /proc what a process uses, as anybody can who looks at it from outside: memory, CPU time, descriptors, and which processes are
// there at all. It needs Linux.
package process
