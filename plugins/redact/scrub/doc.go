// Package scrub takes secrets out of a stream of bytes, by regular expressions
// (RE2, as package regexp has them) and by literal texts. What comes out does not
// depend on how the stream was cut into pieces: it is what one would get with the
// whole of it in memory.
//
// Every byte that belongs to a match of any rule is taken out; matches that overlap or
// touch become one [Mark]. A literal is found wherever it stands, also where it
// overlaps itself; an expression is matched from left to right without overlap,
// leftmost first, as regexp.FindAll does it. Bytes that are not UTF-8 match what
// U+FFFD matches, one by one, and pass unchanged where nothing matches.
//
// Memory is bounded in one of two ways. Where every expression has a longest match, no
// longer than 64 KiB, and looks at nothing outside of its match (^, $, \b and the
// like), a [Scrubber] holds that much of the stream and the piece it was given.
// Otherwise it holds the whole stream, up to [Rules.Hold] bytes, and refuses one that is
// longer: cutting a match short would let the rest of the secret pass.
package scrub
