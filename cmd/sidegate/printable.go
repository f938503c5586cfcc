package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// tricky tells whether a character could play tricks on a terminal: those that control it, of which some are above ASCII too (U+009B begins a sequence as ESC [ does),
// those that are not seen or turn the direction of writing, and those that end a line.
func tricky(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// printable takes out what could play tricks on a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if tricky(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// harmless writes what could play tricks on a terminal as JSON has it, \u and four digits: the JSON that a gateway answered stays the same JSON, whoever chose the
// words in it. What is not JSON, or not UTF-8, does not come out as it was.
func harmless(text []byte) []byte {
	if utf8.Valid(text) && strings.IndexFunc(string(text), tricky) < 0 {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for _, r := range string(text) {
		switch {
		case r == '\n', r == '\t', !tricky(r): // a line feed or tab stands between members, where nothing is written for another
			out = utf8.AppendRune(out, r)
		case r == '\r':
			out = append(out, ' ')
		default:
			for _, unit := range utf16.AppendRune(nil, r) {
				out = fmt.Appendf(out, `\u%04x`, unit)
			}
		}
	}
	return out
}
