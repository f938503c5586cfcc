package authoring

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/profiler"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"
	"github.com/open-policy-agent/opa/v1/topdown/print"
	"github.com/open-policy-agent/opa/v1/util"
)

// EvalOptions configure Eval. The zero value is usable.
type EvalOptions struct {
	Trace   io.Writer       // gets OPA's trace of the evaluation; nil means none
	Explain string          // what of the trace: full (the same as ""), notes, fails or debug
	Profile *[]ProfileEntry // if not nil, gets where the time went, the longest first
	Prints  io.Writer       // gets what the policy prints; nil discards it

	AllowBuiltins []string // see policy.Config
}

// EvalResult is one way in which a query holds. Its JSON is that of `opa eval`.
type EvalResult struct {
	Expressions []*rego.ExpressionValue `json:"expressions"`
	Bindings    map[string]any          `json:"bindings,omitempty"` // of the query's variables
}

// Values are those of the query's expressions.
func (r EvalResult) Values() []any {
	values := make([]any, len(r.Expressions))
	for i, e := range r.Expressions {
		values[i] = e.Value
	}
	return values
}

// Eval evaluates a Rego query against the policies at paths, without their
// tests, and against input, which is JSON or YAML; nil means that there is no
// input. An error of a builtin is an error, as in the gateway. No result means
// that the query is undefined.
func Eval(ctx context.Context, paths []string, query string, input []byte, o EvalOptions) ([]EvalResult, error) {
	if o.Prints == nil {
		o.Prints = io.Discard
	}
	all, err := load(paths, o.AllowBuiltins, noTests)
	if err != nil {
		return nil, err
	}
	body, err := ast.ParseBodyWithOpts(query, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	options := []rego.EvalOption{}
	if input != nil {
		var value any
		if err := util.Unmarshal(input, &value); err != nil {
			return nil, fmt.Errorf("input: %w", err)
		}
		options = append(options, rego.EvalInput(value))
	}
	var times *profiler.Profiler
	if o.Profile != nil {
		times = profiler.New()
		options = append(options, rego.EvalQueryTracer(times))
	}
	var trace *topdown.BufferTracer
	if o.Trace != nil {
		trace = topdown.NewBufferTracer()
		options = append(options, rego.EvalQueryTracer(trace))
	}
	results, err := evaluate(ctx, all, body, o, options)
	if trace != nil {
		topdown.PrettyTraceWithLocation(o.Trace, filterTrace(*trace, o.Explain))
	}
	if times != nil {
		*o.Profile = profileOf(times)
	}
	return results, err
}

// filterTrace keeps of a trace what opa eval --explain keeps.
func filterTrace(trace []*topdown.Event, explain string) []*topdown.Event {
	switch explain {
	case "notes":
		return lineage.Notes(trace)
	case "fails":
		return lineage.Fails(trace)
	case "debug":
		return lineage.Debug(trace)
	}
	return lineage.Full(trace)
}

// ProfileEntry is the time spent on one expression of a policy.
type ProfileEntry struct {
	File     string        `json:"file"`
	Line     int           `json:"line"`
	Text     string        `json:"text"` // its first line
	Time     time.Duration `json:"time_ns"`
	NumEval  int           `json:"num_eval"`
	NumRedo  int           `json:"num_redo"`
	NumExprs int           `json:"num_gen_expr"` // that the compiler made of it
}

func profileOf(p *profiler.Profiler) []ProfileEntry {
	entries := []ProfileEntry{}
	for _, s := range p.ReportTopNResults(-1, []string{"total_time_ns"}) {
		e := ProfileEntry{Time: time.Duration(s.ExprTimeNs), NumEval: s.NumEval, NumRedo: s.NumRedo, NumExprs: s.NumGenExpr}
		if s.Location != nil {
			e.File, e.Line = s.Location.File, s.Location.Row
			e.Text, _, _ = strings.Cut(string(s.Location.Text), "\n")
		}
		entries = append(entries, e)
	}
	return entries
}

func evaluate(ctx context.Context, all loaded, body ast.Body, o EvalOptions, options []rego.EvalOption) ([]EvalResult, error) {
	results := []EvalResult{}
	err := storage.Txn(ctx, all.store, storage.TransactionParams{}, func(txn storage.Transaction) error {
		compiler := ast.NewCompiler().
			WithDefaultRegoVersion(ast.RegoV1).
			WithCapabilities(all.capabilities).
			WithPathConflictsCheck(storage.NonEmpty(ctx, all.store, txn)).
			WithEnablePrintStatements(true)
		if compiler.Compile(all.modules); compiler.Failed() {
			return compiler.Errors
		}
		query, err := rego.New(
			rego.ParsedQuery(body),
			rego.Compiler(compiler),
			rego.Store(all.store),
			rego.Transaction(txn),
			rego.StrictBuiltinErrors(true),
			rego.EnablePrintStatements(true),
			rego.PrintHook(printer{o.Prints}),
		).PrepareForEval(ctx)
		if err != nil {
			return err
		}
		set, err := query.Eval(ctx, append(options, rego.EvalTransaction(txn))...)
		if err != nil {
			return err
		}
		for _, r := range set {
			results = append(results, EvalResult{r.Expressions, r.Bindings})
		}
		return nil
	})
	return results, err
}

type printer struct{ out io.Writer }

var _ print.Hook = printer{}

func (p printer) Print(c print.Context, message string) error {
	_, err := fmt.Fprintf(p.out, "%v: %s\n", c.Location, message)
	return err
}
