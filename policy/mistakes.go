package policy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
)

// MistakesQuery asks the library what is wrong with the data that it decides
// by; [Mistakes] reads the answer. Policies without the library have no such rule.
var MistakesQuery = ast.MustParseRef("data.sidegate.lib.specs.mistakes")

// A Mistake is one thing wrong with the data of roles and types. It makes the
// policy deny more than its author meant, and never less.
type Mistake struct {
	Key     string // its place, such as sidegate.roles.web.commands.rsync
	Message string
}

// MistakeCode is the code of problems that are a [Mistake].
const MistakeCode = "bad_data"

// Mistakes reads what the library answers to MistakesQuery, in the order of the
// keys. Another answer is an error.
func Mistakes(answer any) ([]Mistake, error) {
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	var found []struct {
		At    []string
		What  string
		Given string
		Known []string
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, fmt.Errorf("%v has another form than is known: %w", MistakesQuery, err)
	}
	mistakes := make([]Mistake, len(found))
	for i, f := range found {
		mistakes[i] = Mistake{strings.Join(f.At, "."), f.What}
		if near := nearest(f.Given, f.Known); near != "" {
			mistakes[i].Message += "; is " + near + " meant?"
		} else if len(f.Known) > 0 {
			mistakes[i].Message += "; there are " + strings.Join(slices.Sorted(slices.Values(f.Known)), ", ")
		}
	}
	slices.SortFunc(mistakes, func(a, b Mistake) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Message, b.Message))
	})
	return mistakes, nil
}

// maxName is the length of names up to which it is worth asking what was meant.
const maxName = 64

// nearest returns the known name that a slip of the hand would have made given
// of, the first of several, or "".
func nearest(given string, known []string) string {
	if len(given) > maxName {
		return ""
	}
	best, least := "", max(1, len(given)/3)+1
	for _, name := range slices.Sorted(slices.Values(known)) {
		if len(name) > maxName {
			continue
		}
		if d := distance(given, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is how many bytes must be put in, taken out, replaced or swapped with
// the next one to make b of a, each place only once (optimal string alignment).
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

// How many mistakes of a policy are warned of, and how much is said of each, in
// bytes: a bundle full of them does not fill the log.
const (
	maxMistakes = 20
	maxMessage  = 1000
)

// mistakes asks a policy that is about to decide what it knows to be wrong with
// its data. Whatever it answers, it may decide: what is wrong denies.
func (e *Engine) mistakes(ctx context.Context, txn storage.Transaction, compiler *ast.Compiler) []Problem {
	if len(compiler.GetRulesExact(MistakesQuery)) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*e.deadline) // all data is looked at, not one request
	defer cancel()
	results, err := rego.New(
		rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(MistakesQuery)))),
		rego.Compiler(compiler),
		rego.Store(e.store),
		rego.Transaction(txn),
		rego.StrictBuiltinErrors(true),
	).Eval(ctx)
	var found []Mistake
	if err == nil && len(results) > 0 {
		found, err = Mistakes(results[0].Expressions[0].Value)
	}
	if err != nil {
		return []Problem{{Code: MistakeCode, Message: fmt.Sprintf("the data of roles and types cannot be checked: %v", err)}}
	}
	var problems []Problem
	for _, m := range found[:min(len(found), maxMistakes)] {
		if len(m.Message) > maxMessage {
			m.Message = strings.ToValidUTF8(m.Message[:maxMessage], "") + "…"
		}
		problems = append(problems, Problem{Code: MistakeCode, Message: m.Message})
	}
	if more := len(found) - maxMistakes; more > 0 {
		problems = append(problems, Problem{Code: MistakeCode, Message: fmt.Sprintf("and %d more: see sidegate policy check", more)})
	}
	return problems
}
