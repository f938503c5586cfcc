package shell

import (
	"unicode"
	"unicode/utf8"
)

// invisible holds what renders as nothing or reorders its neighbours, beyond
// the Unicode classes that charsetViolations tests by themselves: the Hangul
// fillers, the braille blank, the combining grapheme joiner, the Khmer inherent
// vowels, the Mongolian separators and the rest of Default_Ignorable.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x034f, Hi: 0x034f, Stride: 1},
		{Lo: 0x115f, Hi: 0x1160, Stride: 1},
		{Lo: 0x17b4, Hi: 0x17b5, Stride: 1},
		{Lo: 0x180b, Hi: 0x180f, Stride: 1},
		{Lo: 0x2060, Hi: 0x206f, Stride: 1},
		{Lo: 0x2800, Hi: 0x2800, Stride: 1},
		{Lo: 0x3164, Hi: 0x3164, Stride: 1},
		{Lo: 0xfe00, Hi: 0xfe0f, Stride: 1},
		{Lo: 0xfeff, Hi: 0xfeff, Stride: 1},
		{Lo: 0xffa0, Hi: 0xffa0, Stride: 1},
		{Lo: 0xfff0, Hi: 0xfffc, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1bca0, Hi: 0x1bca3, Stride: 1},
		{Lo: 0x1d173, Hi: 0x1d17a, Stride: 1},
		{Lo: 0xe0000, Hi: 0xe0fff, Stride: 1},
	},
}

// charsetViolations names the kinds of forbidden characters in s, sorted:
// bidi_or_invisible, control, cr, invalid_utf8, nul and unicode_space. Tab and
// newline are the only controls a command may hold. The parser would take CRLF
// for a newline and skip NUL, neither of which bash does; the others show a
// reviewer something else than what runs.
func charsetViolations(s string) []string {
	if plainASCII(s) {
		return []string{}
	}
	var bidi, control, cr, invalid, nul, space bool
	for i, r := range s {
		switch {
		case r == '\t' || r == '\n' || r >= 0x20 && r < 0x7f:
		case r == utf8.RuneError:
			_, width := utf8.DecodeRuneInString(s[i:])
			invalid = invalid || width == 1
		case r == 0:
			nul = true
		case r == '\r':
			cr = true
		case r < 0x20 || r >= 0x7f && r <= 0x9f:
			control = true
		case unicode.IsSpace(r) || unicode.Is(unicode.Z, r):
			space = true
		case unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point, invisible):
			bidi = true
		}
	}
	found := []string{}
	for _, v := range []struct {
		seen bool
		name string
	}{{bidi, "bidi_or_invisible"}, {control, "control"}, {cr, "cr"}, {invalid, "invalid_utf8"}, {nul, "nul"}, {space, "unicode_space"}} {
		if v.seen {
			found = append(found, v.name)
		}
	}
	return found
}

func plainASCII(s string) bool {
	for i := range len(s) {
		if b := s[i]; (b < 0x20 || b > 0x7e) && b != '\t' && b != '\n' {
			return false
		}
	}
	return true
}
