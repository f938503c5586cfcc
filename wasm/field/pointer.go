package field

import (
	"strings"
	"unicode/utf8"
)

// validPath reports whether path is a JSON pointer in UTF-8.
func validPath(path string) bool {
	if path == "" {
		return true
	}
	if path[0] != '/' || !utf8.ValidString(path) {
		return false
	}
	for i := range len(path) {
		if path[i] == '~' && (i+1 == len(path) || path[i+1] != '0' && path[i+1] != '1') {
			return false
		}
	}
	return true
}

// cutToken returns the first token of a pointer that is not empty, still
// escaped, and the pointer behind it.
func cutToken(path string) (token, rest string) {
	if i := strings.IndexByte(path[1:], '/'); i >= 0 {
		return path[1 : i+1], path[i+1:]
	}
	return path[1:], ""
}

// unescape returns the name that a token stands for.
func unescape(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
}

// index returns the place in an array that a token names, or -1: digits, with
// no zero before another digit. It stays below any length there can be.
func index(token string) int {
	if token == "" || len(token) > 9 || token[0] == '0' && len(token) > 1 {
		return -1
	}
	n := 0
	for i := range len(token) {
		if token[i] < '0' || token[i] > '9' {
			return -1
		}
		n = n*10 + int(token[i]-'0')
	}
	return n
}
