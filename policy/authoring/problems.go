package authoring

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/sidegate/sidegate/policy"
)

// Problems splits an error into single problems, as policy.Problems does, and
// tells each once: where a file does not parse, OPA's parser says so twice.
func Problems(err error) []policy.Problem {
	problems := policy.Problems(err)
	kept := problems[:0:0]
	for i, p := range problems {
		if !slices.ContainsFunc(problems, func(other policy.Problem) bool { return repeats(p, other) }) && !slices.Contains(problems[:i], p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// needless is what the parser says when a rule's value has failed to parse,
// after what has failed in it.
const needless = ": expected rule value term"

// repeats reports whether other says the same as p, and more: of two errors of
// parsing at one place, the one that says why it is one.
func repeats(p, other policy.Problem) bool {
	if p.Code != ast.ParseErr || other.Code != ast.ParseErr || p.File != other.File || p.Line != other.Line || p.Column != other.Column {
		return false
	}
	first, _, _ := strings.Cut(p.Message, "\n")
	more, _, _ := strings.Cut(other.Message, "\n")
	if strings.Contains(first, needless) {
		return !strings.Contains(more, needless) && !strings.HasPrefix(first, more)
	}
	return more != first && strings.HasPrefix(more, first)
}
