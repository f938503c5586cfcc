// Command bench measures a gateway beside webhook (https://github.com/adnanh/webhook), which is widely used to run commands for callers over HTTP, and a bare
// handler around os/exec. Each is a process of its own on loopback and runs /bin/true. They are measured in turns within one run, in an order that changes from
// round to round, so that whatever else the machine does falls on all of them; the callers share the machine with them. webhook is left out where it is
// not installed.
//
// What was measured is kept as results.json, from which the table in RESULTS.md and the picture are made.
package main
