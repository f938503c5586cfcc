package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// shownProblems bounds what [Error.Error] prints, because a file of another kind
// altogether can have as many problems as lines.
const shownProblems = 100

// Problem is one thing wrong with a configuration.
type Problem struct {
	Line    int    // from 1; 0 when it is about the file as a whole
	Key     string // dotted, as in clients[0].secret_file; empty when it is about no key
	Message string // what is wrong and what to write instead; never a secret
}

// Error is everything wrong with a configuration, in the order of its lines.
type Error struct {
	File     string // as it was given
	Problems []Problem

	cause error // why the file could not be read, if that is the problem
}

// Error returns one line for each problem: "file:line: key: message". After the
// first hundred it only says how many more there are.
func (e *Error) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == shownProblems {
			fmt.Fprintf(&b, "%s: and %d more problems", e.File, len(e.Problems)-i)
			break
		}
		b.WriteString(e.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		if p.Key != "" {
			b.WriteString(": " + p.Key)
		}
		b.WriteString(": " + p.Message)
	}
	return b.String()
}

// Unwrap returns the error of opening or reading the file, if there was one, so
// that errors.Is(err, fs.ErrNotExist) works.
func (e *Error) Unwrap() error { return e.cause }

// sortProblems orders by line, and leaves problems of one line as they were found.
func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
}
