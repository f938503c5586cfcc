package wasm

import (
	"fmt"
	"strings"
)

// shownProblems bounds what [SetError.Error] prints.
const shownProblems = 100

// Problem is one thing wrong with a [Set].
type Problem struct {
	Key     string // where, in the words of the configuration file: plugins[0].digest
	Message string // what is wrong and what to write instead; never a plugin's configuration
	Err     error  // the cause, where there is one
}

// String is "key: message".
func (p Problem) String() string {
	if p.Key == "" {
		return p.Message
	}
	return p.Key + ": " + p.Message
}

// SetError is everything that is wrong with a [Set].
type SetError struct{ Problems []Problem }

// Error has one line for each problem. After the first hundred it only says how many more there are.
func (e *SetError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == shownProblems {
			fmt.Fprintf(&b, "and %d more problems", len(e.Problems)-i)
			break
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// Unwrap returns the causes.
func (e *SetError) Unwrap() []error {
	var causes []error
	for _, p := range e.Problems {
		if p.Err != nil {
			causes = append(causes, p.Err)
		}
	}
	return causes
}

// problems collects what is wrong.
type problems []Problem

func (p *problems) add(key, format string, args ...any) {
	*p = append(*p, Problem{Key: key, Message: fmt.Sprintf(format, args...)})
}

func (p *problems) fail(key string, err error) {
	*p = append(*p, Problem{Key: key, Message: err.Error(), Err: err})
}

// err returns what was collected as an error, or nil.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &SetError{p}
}
