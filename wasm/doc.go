// Package wasm runs chains of plugins: which WebAssembly modules see a message, in which order, with
// which configuration, and what they may change of it. A [Host] holds one set of plugins at a time and
// replaces it as a whole while messages pass through; a message is seen by one set only.
//
// One plugin by itself, its sandbox and its limits, is package guest's subject. What a plugin may rely
// on is written in ABI.md.
//
// # Order
//
// A chain lists plugins of one phase and says by a [Selector] for which messages they run. All chains
// that match contribute their plugins. Those are sorted by priority, the higher first; among equals the
// order of the chains, and in a chain that of its list, decides. A plugin that several matching chains
// list runs once. The gateway's own stages have numbers outside of what a priority can be ([Order]), so
// no plugin comes before the signature is verified, or between the decision and the command.
//
// # What may change
//
// Here and not in the guest it is decided what a plugin may change. Its message is read strictly and
// compared with the one before, member by member; members that it may not change must mean the same,
// and are passed on byte for byte as they were. A plugin that wants more has failed.
//
// Whoever reads the message afterwards has rules of its own, and passes them with it ([Message].Valid): what breaks them is the
// failure of the plugin that wrote it, as a forbidden change is, and the next plugin never sees it.
//
// # Turns
//
// Of one plugin so many calls go on at once, over all clients and phases ([Limits].Concurrency). Where more are wanted, the next
// slot goes to the client that holds the fewest: a client with a thousand calls delays another by no more than it takes for a
// slot to fall free. A slot is held for the call's deadline at most, so a client that has none, and waits beside no more others
// than there are slots, has its turn within that time. A request waits for twice the deadline, and what comes behind work that
// would be lost, a response or a callback, much longer ([Config].Patience); a message that is itself given so long to live waits
// for half of it at most.
//
// A call whose turn does not come has not been made ([KindBusy]). Nobody is to blame: it is not counted by the breaker, and not
// skipped, since then whoever keeps a plugin busy could get past it. The message may be sent again.
//
// # Failure
//
// A plugin that fails makes the message fail, unless it is configured to be skipped; then the message
// goes on as if that plugin were not there. A plugin that keeps failing for one client is not called for
// that client for a while ([Config]): its calls fail at once, as configured. Clients are counted apart,
// because a client may be able to make a plugin fail at will, and must not be able to turn it off for
// others by that. Responses are not affected: the output of a command that has run cannot be had again.
package wasm
