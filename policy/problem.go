package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
)

// Problem is one thing wrong with a policy.
type Problem struct {
	File    string `json:"file"` // "" when only Message says where
	Line    int    `json:"line"` // from 1; 0 when unknown
	Column  int    `json:"column"`
	Code    string `json:"code"` // OPA's name for the kind, such as rego_type_error; may be ""
	Message string `json:"message"`
}

// String is "file:line: code: message", as far as these are known.
func (p Problem) String() string {
	s := p.Message
	if p.Code != "" {
		s = p.Code + ": " + s
	}
	if p.File != "" {
		s = fmt.Sprintf("%s:%d: %s", p.File, p.Line, s)
	}
	return s
}

// Problems splits an error of loading, compiling or checking a policy into
// single problems, sorted by file and line. Each is told once: where a file
// does not parse, OPA's parser says so twice.
func Problems(err error) []Problem {
	problems := split(err)
	kept := problems[:0:0]
	for i, p := range problems {
		if !slices.ContainsFunc(problems, p.repeats) && !slices.Contains(problems[:i], p) {
			kept = append(kept, p)
		}
	}
	return kept
}

func split(err error) []Problem {
	var compile ast.Errors
	var load loader.Errors
	var one *ast.Error
	var known problemError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &compile):
		compile = slices.Clone(compile)
		compile.Sort()
		problems := make([]Problem, len(compile))
		for i, e := range compile {
			problems[i] = problemOf(e)
		}
		return problems
	case errors.As(err, &load):
		var problems []Problem
		for _, e := range load {
			problems = append(problems, split(e)...)
		}
		return problems
	case errors.As(err, &one):
		return []Problem{problemOf(one)}
	case errors.As(err, &known):
		return []Problem{known.Problem}
	}
	return []Problem{{Message: err.Error()}}
}

func problemOf(e *ast.Error) Problem {
	p := Problem{Code: e.Code, Message: e.Message}
	if e.Location != nil {
		p.File, p.Line, p.Column = e.Location.File, e.Location.Row, e.Location.Col
	}
	if e.Details != nil {
		for _, line := range e.Details.Lines() {
			p.Message += "\n\t" + line
		}
	}
	return p
}

// needless is what the parser says when a rule's value has failed to parse,
// after what has failed in it.
const needless = ": expected rule value term"

// repeats reports whether other says the same as p, and more: of two errors of
// parsing at one place, the one that says why it is one.
func (p Problem) repeats(other Problem) bool {
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

// Verify loads the policies once, as [New] does, and returns why an engine
// would refuse them. It watches nothing, polls nothing and keeps nothing.
// Policies that are in order but have no rule data.sidegate.decision give
// ErrNoEntrypoint. Who could change the files does not matter here.
func Verify(ctx context.Context, config Config) error {
	config.OPA, config.AllowRollback, config.AnyOwner = nil, nil, true
	e, err := newEngine(config)
	if err != nil {
		return err
	}
	defer e.abandon()
	if err := e.opa.Init(ctx); err != nil {
		return err
	}
	e.opa.RegisterCompilerTrigger(e.publish)
	e.loading.Lock()
	defer e.loading.Unlock()
	return e.loadLocal(ctx)
}
