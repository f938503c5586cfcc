package shell

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

func (a *agreement) substitution(node *syntax.CmdSubst) error {
	if node.TempFile || node.ReplyVar {
		return errFunsub
	}
	if node.Backquotes {
		raw := a.raw(node)
		return refuse(strings.ContainsAny(raw, "\\\"#") || strings.Count(raw, "`") != 2, errBackquotes)
	}
	return nil
}

// parameter refuses what quoting would hide within ${}: in "${x:-'$(id)'}"
// bash runs id, because single quotes mean nothing within double quotes, and
// in ${x:-<(id)} too.
func (a *agreement) parameter(node *syntax.ParamExp) error {
	if node.Short || node.Param == nil {
		return refuse(node.Param == nil, errParameter)
	}
	raw := a.raw(node)
	if strings.ContainsAny(raw, "'\"\\`\n") || strings.Contains(raw, "<(") || strings.Contains(raw, ">(") {
		return errParameter
	}
	if strings.Count(raw, "{") != strings.Count(raw, "${") {
		return errParameter
	}
	if !balanced(raw) {
		return errParameter
	}
	return refuse(node.Index != nil && !arithmeticText(a.raw(node.Index)), errArithmetic)
}

// balanced reports whether the brackets of s match by number and order, so
// that counting them leads to the same end as parsing what is between them.
func balanced(s string) bool {
	round, square := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			round++
		case ')':
			round--
		case '[':
			square++
		case ']':
			square--
		}
		if round < 0 || square < 0 {
			return false
		}
	}
	return round == 0 && square == 0
}

// extglob accepts a pattern of plain characters where bash turns extended
// globs on by itself: right of == and != in [[ ]].
func (a *agreement) extglob(node *syntax.ExtGlob) error {
	for i := range len(node.Pattern.Value) {
		if c := node.Pattern.Value[i]; !isWordByte(c) && strings.IndexByte("|*?.-", c) < 0 {
			return errExtglob
		}
	}
	for i := len(a.stack) - 1; i > 0; i-- {
		if test, ok := a.stack[i].(*syntax.BinaryTest); ok {
			match := test.Op == syntax.TsMatch || test.Op == syntax.TsMatchShort || test.Op == syntax.TsNoMatch
			return refuse(!match || i+1 >= len(a.stack) || a.stack[i+1] != test.Y, errExtglob)
		}
	}
	return errExtglob
}

// arithmeticText reports whether an expression holds only what bash and the
// parser tokenize alike, and what cannot turn "$((" into a substitution of a
// subshell: no quotes, escapes, comments, separators or line breaks.
func arithmeticText(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isWordByte(c) && strings.IndexByte(" \t+-*/%()<>=!&|^~?:,[]${}@", c) < 0 {
			return false
		}
	}
	return balanced(s)
}

// letText is stricter: let is a builtin whose operands are ordinary words, so
// that an operator of the shell ends them where the parser goes on.
func letText(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isWordByte(c) && strings.IndexByte(" +-*/%=,:", c) < 0 {
			return false
		}
	}
	return true
}

func regexText(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isWordByte(c) && strings.IndexByte(".^*+?/:@%,=-", c) < 0 {
			return false
		}
	}
	return true
}

// hashInTest reports whether a # in [[ ]] could begin a comment for bash.
func hashInTest(s string) bool {
	for i := range len(s) {
		if s[i] == '#' && (i == 0 || s[i-1] != '$' && s[i-1] != '{') {
			return true
		}
	}
	return false
}
