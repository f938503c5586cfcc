package field

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// seed makes the names that share a hash unknowable outside of this process.
var seed = maphash.MakeSeed()

// hashName returns a hash of a name after its escapes are resolved.
func hashName(name []byte) uint64 {
	if bytes.IndexByte(name, '\\') < 0 {
		return maphash.Bytes(seed, name)
	}
	var h maphash.Hash
	h.SetSeed(seed)
	var char [utf8.UTFMax]byte
	for len(name) > 0 {
		r, n := nextRune(name)
		_, _ = h.Write(char[:utf8.EncodeRune(char[:], r)]) // never fails
		name = name[n:]
	}
	return h.Sum64()
}

// distinct reports whether all hashes differ. Names that differ share one with
// a probability of 2^-64; then they are refused. It may put them in another
// order.
func distinct(hashes []uint64) bool {
	if len(hashes) <= 8 {
		for i, h := range hashes {
			if slices.Contains(hashes[:i], h) {
				return false
			}
		}
		return true
	}
	slices.Sort(hashes)
	for i, h := range hashes[1:] {
		if h == hashes[i] {
			return false
		}
	}
	return true
}

// named reports whether a name is the one that a pointer's token stands for.
func named(name []byte, token string) bool {
	if bytes.IndexByte(name, '\\') < 0 && strings.IndexByte(token, '~') < 0 {
		return string(name) == token
	}
	for len(name) > 0 && token != "" {
		r, n := nextRune(name)
		s, m := utf8.DecodeRuneInString(token)
		if s == '~' {
			s, m = '~', 2
			if token[1] == '1' {
				s = '/'
			}
		}
		if r != s {
			return false
		}
		name, token = name[n:], token[m:]
	}
	return len(name) == 0 && token == ""
}

// nextRune decodes the first character of the inside of a valid JSON string
// that is not empty, and returns it with its length there.
func nextRune(s []byte) (rune, int) {
	if s[0] != '\\' {
		return utf8.DecodeRune(s)
	}
	switch s[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, _ := hex4(s[2:])
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		low, _ := hex4(s[8:])
		return utf16.DecodeRune(r, low), 12
	}
	return rune(s[1]), 2
}

// hex4 reads four hexadecimal digits.
func hex4(s []byte) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range s[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
