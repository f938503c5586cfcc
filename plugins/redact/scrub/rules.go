package scrub

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"
	"regexp/syntax"
)

// Bounds of rules. Longer literals would make a search slow, and more rules too.
const (
	maxRules   = 256
	maxLiteral = 1 << 10 // bytes
	maxPattern = 4 << 10 // bytes
	maxWindow  = 64 << 10
)

// Rules say what is a secret. They do not change, and may be used by several
// scrubbers at once.
type Rules struct {
	// Hold is how many bytes of a stream a scrubber may hold.
	Hold   int
	rules  []rule
	window int // how many bytes from its beginning on decide a match; unbounded for the whole stream
}

// unbounded is the length of what has no longest match.
const unbounded = math.MaxInt

// A rule is an expression or a literal.
type rule struct {
	expression *regexp.Regexp
	literal    []byte
}

// NewRules compiles rules. At least one must be given. An error names the rule by its
// place and not by its text, which may be the secret itself.
func NewRules(patterns, literals []string, hold int) (*Rules, error) {
	switch n := len(patterns) + len(literals); {
	case n == 0:
		return nil, errors.New("there are no patterns and no literals")
	case n > maxRules:
		return nil, fmt.Errorf("%d patterns and literals are too many: at most %d", n, maxRules)
	}
	r := &Rules{Hold: hold}
	for i, p := range patterns {
		window, err := r.addPattern(p)
		if err != nil {
			return nil, fmt.Errorf("patterns[%d]: %w", i, err)
		}
		r.window = max(r.window, window)
	}
	for i, text := range literals {
		if text == "" || len(text) > maxLiteral {
			return nil, fmt.Errorf("literals[%d]: want 1 to %d bytes", i, maxLiteral)
		}
		r.rules = append(r.rules, rule{literal: []byte(text)})
		r.window = max(r.window, len(text))
	}
	return r, nil
}

func (r *Rules) addPattern(pattern string) (window int, err error) {
	if len(pattern) > maxPattern {
		return 0, fmt.Errorf("longer than %d bytes", maxPattern)
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		var at *syntax.Error
		if errors.As(err, &at) {
			return 0, errors.New(at.Code.String())
		}
		return 0, errors.New("not a regular expression")
	}
	least, most := lengths(tree)
	switch {
	case least == 0:
		return 0, errors.New("can match nothing at all; write + for *, or leave out ?")
	case least == unbounded:
		return 0, errors.New("can never match")
	case most > maxWindow || looksOutside(tree):
		most = unbounded
	}
	expression, err := regexp.Compile(pattern)
	if err != nil {
		return 0, errors.New("too large")
	}
	r.rules = append(r.rules, rule{expression: expression})
	return most, nil
}

// next returns the first match in text from the offset from on, or -1, -1. The
// expression does not see what is before.
func (r *rule) next(text []byte, from int) (start, end int) {
	if r.literal != nil {
		i := bytes.Index(text[from:], r.literal)
		if i < 0 {
			return -1, -1
		}
		return from + i, from + i + len(r.literal)
	}
	m := r.expression.FindIndex(text[from:])
	if m == nil {
		return -1, -1
	}
	return from + m[0], from + m[1]
}

// lengths returns bounds of the bytes that an expression can match: least is not more
// than the shortest match, and most not less than the longest, where one character is
// at most four bytes. What can never match is unboundedly long.
func lengths(re *syntax.Regexp) (least, most int) {
	switch re.Op {
	case syntax.OpNoMatch:
		return unbounded, 0
	case syntax.OpLiteral:
		return len(re.Rune), 4 * len(re.Rune)
	case syntax.OpCharClass:
		if len(re.Rune) == 0 {
			return unbounded, 0
		}
		return 1, 4
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, 4
	case syntax.OpCapture:
		return lengths(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			a, b := lengths(sub)
			least, most = plus(least, a), plus(most, b)
		}
		return least, most
	case syntax.OpAlternate:
		least = unbounded
		for _, sub := range re.Sub {
			a, b := lengths(sub)
			least, most = min(least, a), max(most, b)
		}
		return least, most
	}
	return repeated(re)
}

// repeated is lengths for repetitions, and for what matches no bytes.
func repeated(re *syntax.Regexp) (least, most int) {
	low, high := 0, 0
	switch re.Op {
	case syntax.OpStar:
		high = unbounded
	case syntax.OpPlus:
		low, high = 1, unbounded
	case syntax.OpQuest:
		high = 1
	case syntax.OpRepeat:
		if low, high = re.Min, re.Max; high < 0 {
			high = unbounded
		}
	default:
		return 0, 0
	}
	a, b := lengths(re.Sub[0])
	return times(a, low), times(b, high)
}

// plus and times stop at unbounded.
func plus(a, b int) int {
	if a > unbounded-b {
		return unbounded
	}
	return a + b
}

func times(a, n int) int {
	if n != 0 && a > unbounded/n {
		return unbounded
	}
	return a * n
}

// looksOutside reports whether an expression depends on what is around its match.
func looksOutside(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	for _, sub := range re.Sub {
		if looksOutside(sub) {
			return true
		}
	}
	return false
}
