package shell

import (
	"strings"
)

// ansiCAgrees reports whether the inside of $'…' holds only escapes that bash
// and the expand package decode to the same bytes in every locale: no \c, \u,
// \U, \x{, no byte 0 (which ends bash's word), no octal over 8 bits, and no
// unknown escape.
func ansiCAgrees(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		i++
		switch c := at(s, i); {
		case c != 0 && strings.IndexByte(`\'"?abeEfnrtv`, c) >= 0:
		case c >= '0' && c <= '7':
			value := 0
			digits := 0
			for ; digits < 3 && at(s, i) >= '0' && at(s, i) <= '7'; digits++ {
				value = value*8 + int(s[i]-'0')
				i++
			}
			i--
			if value == 0 || value > 0xff {
				return false
			}
		case c == 'x':
			digits := 0
			zero := true
			for digits < 2 && isHex(at(s, i+1)) {
				i++
				digits++
				zero = zero && s[i] == '0'
			}
			if digits == 0 || zero {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
