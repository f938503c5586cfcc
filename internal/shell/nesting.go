package shell

import "strings"

// nestingBound returns an upper bound of how deep src can nest, without
// parsing it: the parser's cost grows with the square of the depth, and a
// million levels end the process.
//
// It counts openers (brackets of every kind, backquotes, and the keywords that
// begin a compound command) and never takes a closer back, so no quoting can
// hide one opener behind the closer of another. Openers inside quotes are left
// out only while the quoting is beyond doubt: from the start of the string, as
// long as nothing was seen that changes how quotes are read (comments,
// heredocs, ${}, arithmetic, backquotes, $”, substitutions in double quotes).
// After the first of those every opener counts, quoted or not. An awk program
// or a JSON document in quotes therefore costs nothing.
func nestingBound(src string) int {
	count := 0
	for i := 0; i < len(src); i++ {
		switch c := src[i]; c {
		case '\\':
			i++
		case '\'':
			end := strings.IndexByte(src[i+1:], '\'')
			if end < 0 {
				return count + openers(src[i:])
			}
			i += end + 1
		case '"':
			end := plainDoubleQuoted(src[i:])
			if end < 0 {
				return count + openers(src[i:])
			}
			i += end
		case '`', '#':
			return count + openers(src[i:])
		case '$':
			if next := at(src, i+1); next == '\'' || next == '{' || next == '[' || next == '(' && at(src, i+2) == '(' {
				return count + openers(src[i:])
			}
		case '<':
			if at(src, i+1) == '<' && at(src, i+2) != '<' {
				return count + openers(src[i:])
			}
			if at(src, i+1) == '<' {
				i += 2
			}
		case '(':
			if at(src, i+1) == '(' {
				return count + openers(src[i:])
			}
			count++
		case '{', '[', '!':
			count++
		default:
			if isWordByte(c) {
				word := leadingWord(src[i:])
				if reserved[word] {
					count++
				}
				i += len(word) - 1
			}
		}
	}
	return count
}

// openers counts every opener of s, whatever its quoting.
func openers(s string) int {
	count := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '(', '{', '[', '`', '!':
			count++
		default:
			if isWordByte(c) {
				word := leadingWord(s[i:])
				if reserved[word] {
					count++
				}
				i += len(word) - 1
			}
		}
	}
	return count
}

// plainDoubleQuoted returns the offset of the quote that closes the one at
// s[0], or -1 when there is none or the text holds a substitution.
func plainDoubleQuoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		case '`':
			return -1
		case '$':
			if next := at(s, i+1); next == '(' || next == '{' || next == '[' {
				return -1
			}
		}
	}
	return -1
}

// reserved are bash's reserved words, less the brackets.
var reserved = map[string]bool{
	"if": true, "then": true, "elif": true, "else": true, "fi": true, "for": true, "while": true, "until": true,
	"do": true, "done": true, "case": true, "esac": true, "in": true, "select": true, "function": true,
	"time": true, "coproc": true,
}

func leadingWord(s string) string {
	end := 1
	for end < len(s) && isWordByte(s[end]) {
		end++
	}
	return s[:end]
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// at returns s[i], or 0 past the end.
func at(s string, i int) byte {
	if i < len(s) {
		return s[i]
	}
	return 0
}
