package shell

import (
	"strings"
)

// braceBound is an upper bound of how many words the braces in raw expand to,
// saturating far above maxBraceWords.
func braceBound(raw string) int {
	const enough = 1 << 20
	bound, list := 1, 1
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case ',':
			list++
		case '.':
			if at(raw, i+1) == '.' {
				bound *= sequenceBound(raw, i)
				i++
			}
		case '}':
			bound *= list
			list = 1
		}
		if bound > enough {
			return enough
		}
	}
	return bound * list
}

// sequenceBound bounds the sequence whose dots are at raw[dots:]: the distance
// between two numbers of up to four digits or two letters, and too many for
// longer or signed numbers.
func sequenceBound(raw string, dots int) int {
	open := strings.LastIndexAny(raw[:dots], "{,")
	shut := strings.IndexAny(raw[dots+2:], "},.")
	if open < 0 || shut < 0 {
		return 1
	}
	from, to := raw[open+1:dots], raw[dots+2:dots+2+shut]
	if len(from) == 1 && len(to) == 1 && !isDigit(from[0]) && !isDigit(to[0]) {
		return max(int(from[0])-int(to[0]), int(to[0])-int(from[0])) + 1
	}
	if !integer(from) || !integer(to) {
		return 1 // a path, not a sequence
	}
	a, okA := smallNumber(from)
	b, okB := smallNumber(to)
	if !okA || !okB {
		return maxBraceWords + 1
	}
	return max(a-b, b-a) + 1
}

func integer(s string) bool {
	return s != "" && strings.Trim(s, "+-0123456789") == ""
}

func smallNumber(s string) (int, bool) {
	if s == "" || len(s) > 4 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
