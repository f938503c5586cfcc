package authoring

import (
	"cmp"
	"context"
	"testing"

	"github.com/open-policy-agent/opa/v1/tester"
)

// BenchResult is how long one test takes.
type BenchResult struct {
	Package  string  `json:"package"`
	Name     string  `json:"name"`
	File     string  `json:"file"`
	Line     int     `json:"line"`
	Outcome  Outcome `json:"outcome"` // of anything but Pass there are no numbers
	Error    string  `json:"error"`
	Count    int     `json:"count"` // how often it ran
	NsPerOp  int64   `json:"ns_per_op"`
	Allocs   int64   `json:"allocs_per_op"`
	AllocedB int64   `json:"bytes_per_op"`
}

// BenchTests runs the tests that Test runs, each for about a second and one
// after the other, and calls done with the result of each. Of the options it
// takes Run, Timeout and AllowBuiltins.
func BenchTests(ctx context.Context, paths []string, o TestOptions, done func(BenchResult)) error {
	o.VarValues = false
	b, err := newTestBench(ctx, paths, o, false)
	if err != nil {
		return err
	}
	defer b.close(ctx)
	testing.Init() // testing.Benchmark reads flags that otherwise only a test binary has
	running, err := b.runner.
		SetTimeout(cmp.Or(o.Timeout, DefaultTestTimeout)).
		RunBenchmarks(ctx, b.txn, tester.BenchmarkOptions{ReportAllocations: true})
	if err != nil {
		return err
	}
	for r := range running {
		result := BenchResult{Package: r.Package, Name: r.Name, Outcome: outcomeOf(r)}
		if r.Location != nil {
			result.File, result.Line = r.Location.File, r.Location.Row
		}
		if r.Error != nil {
			result.Error = r.Error.Error()
		}
		if m := r.BenchmarkResult; m != nil && result.Outcome == Pass {
			result.Count, result.NsPerOp = m.N, m.NsPerOp()
			result.Allocs, result.AllocedB = m.AllocsPerOp(), m.AllocedBytesPerOp()
		}
		done(result)
	}
	return ctx.Err()
}
