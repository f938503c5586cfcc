package policy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
)

// smokePath is where policies may carry cases of their own:
// data.sidegate.smoke[name] is {"input": {…}, "allow": true or false}.
var smokePath = storage.MustParsePath("/sidegate/smoke")

// Bounds of the work before an activation.
const (
	maxSmokeCases = 200
	maxSmokeTime  = 30 * time.Second
)

// smokeCase is a question whose answer must be well-formed before a policy may
// decide.
type smokeCase struct {
	name  string
	input ast.Value
	allow *bool // nil: either
}

// cannedCases suit every policy: a request that runs nothing, which no policy
// may allow, and one of a client that no policy knows, which must get an answer.
func cannedCases() []smokeCase {
	deny := false
	empty := Input{
		Version: InputVersion,
		Phase:   PhaseRequest,
		Client:  Client{Name: "smoke", Scheme: "func"},
		Request: Request{ID: "smoke", Time: time.Unix(0, 0), SourceIP: "127.0.0.1", Wait: true},
		Shell:   Shell{Class: "empty", AllStatic: true},
	}
	ordinary := empty
	words := []Word{{Value: new("sleep"), Static: true, Raw: "sleep"}, {Value: new("0"), Static: true, Raw: "0"}}
	ordinary.Request.Command = "sleep 0"
	ordinary.Shell = Shell{Class: "simple", AllStatic: true, Commands: []Command{{
		Parent: -1, Kind: "simple", Name: "sleep", NameStatic: true, PathKind: "bare",
		Argv: []*string{words[0].Value, words[1].Value}, Args: words, ArgsStatic: true,
	}}}
	return []smokeCase{
		{"an empty command", toValue(&empty), &deny},
		{"a client without roles", toValue(&ordinary), nil},
	}
}

// ownCases reads the cases that the policies themselves carry.
func ownCases(ctx context.Context, store storage.Store, txn storage.Transaction) ([]smokeCase, error) {
	value, err := store.Read(ctx, txn, smokePath)
	if storage.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	tree, ok := value.(ast.Object)
	if !ok {
		return nil, errors.New("data.sidegate.smoke must be an object of cases")
	}
	if tree.Len() > maxSmokeCases {
		return nil, fmt.Errorf("data.sidegate.smoke has %d cases; at most %d are run", tree.Len(), maxSmokeCases)
	}
	var cases []smokeCase
	err = tree.Iter(func(name, content *ast.Term) error {
		fields, ok := content.Value.(ast.Object)
		if !ok || fields.Len() != 2 {
			return fmt.Errorf(`data.sidegate.smoke[%v] must be {"input": {…}, "allow": true or false}`, name)
		}
		input, allow := fields.Get(ast.StringTerm("input")), fields.Get(ast.StringTerm("allow"))
		if input == nil || allow == nil {
			return fmt.Errorf(`data.sidegate.smoke[%v] must be {"input": {…}, "allow": true or false}`, name)
		}
		want, isBool := allow.Value.(ast.Boolean)
		if _, isObject := input.Value.(ast.Object); !isObject || !isBool {
			return fmt.Errorf(`data.sidegate.smoke[%v] must be {"input": {…}, "allow": true or false}`, name)
		}
		cases = append(cases, smokeCase{fmt.Sprintf("data.sidegate.smoke[%v]", name), input.Value, (*bool)(&want)})
		return nil
	})
	return cases, err
}

// smoke asks a policy that is about to decide, inside the transaction that
// would make it decide, and says what is wrong with its answers.
func (e *Engine) smoke(ctx context.Context, txn storage.Transaction, p *prepared) error {
	cases, err := ownCases(ctx, e.store, txn)
	if err != nil {
		return err
	}
	if len(e.feeds) > 0 {
		cases = append(cannedCases(), cases...)
	}
	ctx, cancel := context.WithTimeout(ctx, maxSmokeTime)
	defer cancel()
	for _, c := range cases {
		limited, cancel := context.WithTimeout(ctx, e.deadline)
		d, err := p.ask(limited, txn, c.input)
		cancel()
		switch {
		case err != nil:
			return fmt.Errorf("smoke case, %s: %w", c.name, err)
		case c.allow != nil && d.Allow != *c.allow:
			return fmt.Errorf("smoke case, %s: allow is %t and must be %t", c.name, d.Allow, *c.allow)
		}
	}
	return nil
}
