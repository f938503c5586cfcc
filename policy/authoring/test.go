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
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"
)

// DefaultTestTimeout bounds one test, or the benchmark of one, when
// [TestOptions.Timeout] does not. It stops a test that would not end, also on a
// machine so busy that a good one takes seconds; opa test gives 5 s.
const DefaultTestTimeout = 30 * time.Second

// TestOptions configure Test. The zero value is usable.
type TestOptions struct {
	Run       string        // regular expression; only tests whose full name matches run
	Timeout   time.Duration // of one test; zero means DefaultTestTimeout
	Parallel  int           // tests that run at once; zero means one for each processor
	Trace     bool          // give each failed test the trace of its evaluation
	VarValues bool          // give each failed test the expression that failed, with the values of its variables
	Coverage  bool          // measure which lines the tests reach

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
	FailedAt string        `json:"failed_at"` // the expression that failed, with TestOptions.VarValues
	Cases    []TestCase    `json:"cases"`     // of a test over a table
}

// TestCase is one row of a test over a table.
type TestCase struct {
	Name     string  `json:"name"` // the row's keys, joined with "/"
	Outcome  Outcome `json:"outcome"`
	FailedAt string  `json:"failed_at"` // as of a TestResult
}

// TestReport is what Test found.
type TestReport struct {
	Tests    []TestResult `json:"tests"`
	Coverage *Coverage    `json:"coverage"` // nil unless it was asked for
}

// Test runs the tests that `opa test` runs on the same paths, and returns their
// results by file and line. The error is for options, files and policies that
// keep tests from running; see policy.Problems.
func Test(ctx context.Context, paths []string, o TestOptions) (TestReport, error) {
	b, err := newTestBench(ctx, paths, o, true)
	if err != nil {
		return TestReport{}, err
	}
	defer b.close(ctx)
	b.runner.
		SetTimeout(cmp.Or(o.Timeout, DefaultTestTimeout)).
		SetParallel(o.Parallel).
		CapturePrintOutput(true).
		RaiseBuiltinErrors(true). // as a gateway does: there it is a denial whatever the rules make of it
		EnableTracing(o.Trace || o.VarValues)
	measured := cover.New()
	if o.Coverage {
		b.runner.SetCoverageRuns(nil).SetCoverageQueryTracer(measured)
	}
	running, err := b.runner.RunTests(ctx, b.txn)
	if err != nil {
		return TestReport{}, err
	}
	report := TestReport{Tests: []TestResult{}}
	for r := range running {
		report.Tests = append(report.Tests, resultOf(r, o))
	}
	slices.SortFunc(report.Tests, func(a, b TestResult) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Name, b.Name))
	})
	if o.Coverage {
		report.Coverage = coverageOf(measured.Report(b.modules))
	}
	return report, ctx.Err()
}

// testBench holds what running tests and benchmarking them have in common.
type testBench struct {
	loaded
	txn    storage.Transaction
	runner *tester.Runner
}

func newTestBench(ctx context.Context, paths []string, o TestOptions, prints bool) (*testBench, error) {
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
	compiler := ast.NewCompiler().
		WithDefaultRegoVersion(ast.RegoV1).
		WithCapabilities(all.capabilities).
		WithPathConflictsCheck(storage.NonEmpty(ctx, all.store, txn)).
		WithUseTypeCheckAnnotations(true).
		WithRewriteTestRules(o.VarValues).
		WithEnablePrintStatements(prints)
	runner := tester.NewRunner().SetCompiler(compiler).SetStore(all.store).SetModules(all.modules).Filter(o.Run)
	return &testBench{all, txn, runner}, nil
}

func (b *testBench) close(ctx context.Context) { b.store.Abort(ctx, b.txn) }

func resultOf(r *tester.Result, o TestOptions) TestResult {
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
		c := TestCase{Name: strings.Join(name, "/"), Outcome: Pass}
		if sub.Fail {
			c.Outcome = Fail
			if o.VarValues {
				c.FailedAt = failedAt(sub.Trace)
			}
		}
		result.Cases = append(result.Cases, c)
	}
	if result.Outcome == Fail || result.Outcome == Error {
		if o.Trace {
			result.Trace = failureTrace(r.Trace)
		}
		if o.VarValues && len(result.Cases) == 0 {
			result.FailedAt = failedAt(r.Trace)
		}
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

// failedAt is what `opa test --var-values` shows of a failure: the last
// expression that failed, and below it the values of its variables.
func failedAt(trace []*topdown.Event) string {
	for _, e := range slices.Backward(trace) {
		if e.Op != topdown.FailOp || e.Location == nil || e.QueryID == 0 {
			continue
		}
		if expr, ok := e.Node.(*ast.Expr); ok {
			if _, every := expr.Terms.(*ast.Every); every {
				continue // what failed is in its body
			}
		}
		var out bytes.Buffer
		fmt.Fprintf(&out, "%s:%d:\n", e.Location.File, e.Location.Row)
		if err := topdown.PrettyEvent(&out, e, topdown.PrettyEventOpts{PrettyVars: true}); err != nil {
			return ""
		}
		return out.String()
	}
	return ""
}
