// Command conformance asks a server that runs commands for callers over HTTP what it does where such servers go wrong: when a call is sent twice or altered,
// when its client leaves, when a command prints much, never ends or leaves children behind, and when callers are hostile. Each probe looks from outside, at the
// replies, at what ran, and at what /proc says of the server; no probe knows how a server is made.
//
// Servers are known by adapters: sidegate, webhook (https://github.com/adnanh/webhook), and bare, a handler of some lines around os/exec. Each starts its server,
// for which the commands are this program itself. What is wrong with a server that claims nothing else is told and is not a failure; the exit code is 1 where
// an adapter's claims do not hold.
package main
