// Package meter rewrites a WebAssembly module at load time so that the code in it, however
// hostile, can be stopped, paused and bounded by the host that runs it.
//
// # What is added
//
//   - Fuel, a global. Each function entry and each loop header subtracts the price of the
//     code up to the next check, and calls the host's refill function when the fuel is below
//     zero. There the host looks at its deadline and budget; a call into Go also lets Go's
//     scheduler and collector in. Bulk instructions (memory.fill, memory.copy, memory.init,
//     memory.grow, table.fill, table.copy, table.init, table.grow) pay by length before they run.
//   - Depth, a global. Each function that calls subtracts an estimate of its native stack
//     frame, and asks the host below zero; each way out of the function puts back what it
//     was. The estimate is an upper bound made for wazero's compiler (see frame), so that Config.Stack
//     bounds the bytes: endless recursion of any frame grows the process by less than 16 MiB
//     with the default of 4 MiB, since wazero doubles stacks and copies them as they grow.
//   - Exports of all mutable globals, for a host that resets instances by copying.
//
// The module's own behavior stays what it was, except that growing a table beyond
// Config.MaxTableElements fails, as it may. Custom sections are dropped.
//
// # Prices
//
// One pass over a function follows the heights of the stacks of operands and labels. A
// function outside its loops, and a loop outside the loops in it, are one segment each:
// nothing in a segment runs twice between two checks, since only the branch to a loop goes
// back. A segment's price is the longest way through it in instructions, so what runs is
// never more than what was paid for. It is known at the segment's end and filled in then.
// Where a way becomes longer than [MaxSegment] a new segment begins, and where ways meet that
// different checks have paid for, another, so that no code runs for long between two checks.
//
// In a function with a loop that makes no calls the fuel is kept in a local, which the
// compiler keeps in a register; the global is brought up to date around calls.
//
// A return would jump past the code that gives the frame back: the body stands in a block
// with the function's results, and return is a branch to its end. Labels keep their
// numbers. The refill import becomes the last imported function, so the indices of defined functions
// grow by one wherever they stand: call, ref.func, exports, start, element segments and
// constant expressions. Everything else that is added comes after what was there; since
// that could make a wrong index valid, each index is checked against the module as it was.
//
// # Safety of the engine
//
// Some engines reserve memory by the counts that a module states. Rewrite refuses a count
// that is larger than the bytes that follow, more locals, table elements or exports than
// [Config] and the fixed limits allow, and modules that would keep wazero's compiler busy for long: it
// cannot be interrupted, and where many branches, or many locals around them, are in one function, its
// time is no longer in proportion to the code. effort.go estimates it. Rewrite accepts WebAssembly 2.0,
// which is what wazero calls CoreFeaturesV2; later proposals are refused by name.
//
// # Why not the engine's own interruption
//
// wazero's WithCloseOnContextDone checks a flag in loops only: a recursion without loops ran
// 4.6 s against a deadline of 50 ms. A transform of a 1 KiB message took 8.4 µs instead of 1.5
// (C) and 522 µs instead of 92 (Go), against 1.4 and 100 when rewritten; a hit closes the
// instance for good; and a guest that runs without any checks holds up Go's collector, which
// was seen to wait 117 ms. Neither it nor WithMemoryLimitPages covers the call stack: endless
// recursion added 162 MiB.
//
// # Sources
//
// WebAssembly Core Specification 2.0: 2.5 and 5.5 (modules, sections), 5.2 (values), 5.3 (types), 5.4
// (instructions), 3.3.9 (constant expressions), 3.4 (modules), 4.4 (what instructions do).
// Metering by rewriting at loop headers and entries follows wasm-instrument's gas metering
// and stack height limiter, with the longest way in place of blocks.
package meter
