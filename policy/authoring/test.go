package authoring

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"
)

// DefaultTestTimeout bounds one test when [TestOptions] does not.
const DefaultTestTimeout = 5 * time.Second

// TestOptions configure Test. The zero value is usable.
type TestOptions struct {
	Run     string        // regular expression; only tests whose full name matches run
	Timeout time.Duration // of one test; zero means DefaultTestTimeout
	Trace   bool          // give each failed test the trace of its evaluation

	AllowBuiltins []string // see policy.Config
}

// Outcome is how a test ended.
type Outcome string

// The outcomes of a test. A skipped test is one named todo_test_.
const (
	Pass  Outcome = "pass"
	Fail  Outcome = "fail"
	Error Outcome = "error"
	Skip  Outcome = "skip"
)

// TestResult is what became of one test.
type TestResult struct {
	Package  string        `json:"package"` // such as data.sidegate_test
	Name     string        `json:"name"`
	File     string        `json:"file"`
	Line     int           `json:"line"`
	Outcome  Outcome       `json:"outcome"`
	Duration time.Duration `json:"duration_ns"`
	Error    string        `json:"error"`  // why it could not be evaluated
	Output   string        `json:"output"` // what it printed
	Trace    string        `json:"trace"`
	Cases    []TestCase    `json:"cases"` // of a test over a table
}

// TestCase is one row of a test over a table.
type TestCase struct {
	Name    string  `json:"name"` // the row's keys, joined with "/"
	Outcome Outcome `json:"outcome"`
}

// Test runs the tests that `opa test` runs on the same paths, and returns their
// results by file and line. The error is for options, files and policies that
// keep tests from running; see policy.Problems.
func Test(ctx context.Context, paths []string, o TestOptions) ([]TestResult, error) {
	if _, err := regexp.Compile(o.Run); err != nil {
		return nil, fmt.Errorf("filter of tests: %w", err)
	}
	all, err := load(paths, o.AllowBuiltins, nil)
	if err != nil {
		return nil, err
	}
	txn, err := all.store.NewTransaction(ctx, storage.WriteParams)
	if err != nil {
		return nil, err
	}
	defer all.store.Abort(ctx, txn)
	compiler := ast.NewCompiler().
		WithDefaultRegoVersion(ast.RegoV1).
		WithCapabilities(all.capabilities).
		WithPathConflictsCheck(storage.NonEmpty(ctx, all.store, txn)).
		WithUseTypeCheckAnnotations(true).
		WithEnablePrintStatements(true)
	running, err := tester.NewRunner().
		SetCompiler(compiler).
		SetStore(all.store).
		SetModules(all.modules).
		SetTimeout(cmp.Or(o.Timeout, DefaultTestTimeout)).
		CapturePrintOutput(true).
		EnableTracing(o.Trace).
		Filter(o.Run).
		RunTests(ctx, txn)
	if err != nil {
		return nil, err
	}
	results := []TestResult{}
	for r := range running {
		results = append(results, resultOf(r))
	}
	slices.SortFunc(results, func(a, b TestResult) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Name, b.Name))
	})
	return results, ctx.Err()
}

func resultOf(r *tester.Result) TestResult {
	result := TestResult{
		Package:  r.Package,
		Name:     r.Name,
		Outcome:  outcomeOf(r),
		Duration: r.Duration,
		Output:   string(r.Output),
		Cases:    []TestCase{},
	}
	if r.Location != nil {
		result.File, result.Line = r.Location.File, r.Location.Row
	}
	if r.Error != nil {
		result.Error = r.Error.Error()
	}
	for name, sub := range r.SubResults.Iter {
		if len(sub.SubResults) > 0 {
			continue
		}
		outcome := Pass
		if sub.Fail {
			outcome = Fail
		}
		result.Cases = append(result.Cases, TestCase{Name: strings.Join(name, "/"), Outcome: outcome})
	}
	if result.Outcome == Fail || result.Outcome == Error {
		result.Trace = failureTrace(r.Trace)
	}
	return result
}

func outcomeOf(r *tester.Result) Outcome {
	switch {
	case r.Error != nil:
		return Error
	case r.Skip:
		return Skip
	case r.Fail:
		return Fail
	}
	return Pass
}

// failureTrace keeps what `opa test -v` shows of a trace: notes and failures,
// with what led to them.
func failureTrace(trace []*topdown.Event) string {
	var out bytes.Buffer
	topdown.PrettyTraceWithLocation(&out, lineage.Filter(trace, func(e *topdown.Event) bool {
		return e.Op == topdown.NoteOp || e.Op == topdown.FailOp
	}))
	return out.String()
}
