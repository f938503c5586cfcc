package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/policy/authoring"
)

// printCoverage writes the files with lines that no test reaches, or all, and the total.
func printCoverage(w io.Writer, c *authoring.Coverage, verbose bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COVERED\tLINES\tFILE\tNOT COVERED")
	for _, f := range c.Files {
		if f.Covered < f.Lines || verbose {
			fmt.Fprintf(table, "%.2f %%\t%d/%d\t%s\t%s\n", f.Percent, f.Covered, f.Lines, f.File, linesText(f.NotCovered))
		}
	}
	fmt.Fprintf(table, "%.2f %%\t%d/%d\ttotal\t\n", c.Percent, c.Covered, c.Lines)
	return table.Flush()
}

// linesText writes "3, 7-9".
func linesText(list []authoring.Lines) string {
	texts := make([]string, len(list))
	for i, l := range list {
		texts[i] = fmt.Sprint(l.From)
		if l.To > l.From {
			texts[i] = fmt.Sprintf("%d-%d", l.From, l.To)
		}
	}
	return strings.Join(texts, ", ")
}

// benchmark measures the tests and prints each as soon as it is known.
func (t *testRun) benchmark(cmd *cobra.Command, dirs []string) error {
	out, terminal := cmd.OutOrStdout(), cmd.ErrOrStderr()
	results := []authoring.BenchResult{}
	bad := 0
	err := authoring.BenchTests(cmd.Context(), dirs, t.TestOptions, func(r authoring.BenchResult) {
		results = append(results, r)
		if r.Outcome == authoring.Fail || r.Outcome == authoring.Error {
			bad++
		}
		progress(terminal, "%s measured, the last %s", count(len(results), "test"), r.Name)
	})
	progress(terminal, "")
	if err != nil {
		return cannotLoad(cmd, err)
	}
	if t.format.value == "json" {
		err = printJSON(out, results)
	} else {
		err = printBench(out, results)
	}
	switch {
	case err != nil:
		return err
	case bad > 0:
		return &exitError{exitNo, fmt.Errorf("%d of %s failed, and were not measured", bad, count(len(results), "test"))}
	case len(results) == 0:
		return t.noTests()
	}
	return nil
}

func printBench(w io.Writer, results []authoring.BenchResult) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "COUNT\tNS/OP\tB/OP\tALLOCS/OP\t  TEST")
	for _, r := range results {
		name := r.Package + "." + r.Name
		if r.Outcome != authoring.Pass {
			fmt.Fprintf(table, "-\t-\t-\t-\t  %s %s %s\n", name, strings.ToUpper(string(r.Outcome)), r.Error)
			continue
		}
		fmt.Fprintf(table, "%d\t%d\t%d\t%d\t  %s\n", r.Count, r.NsPerOp, r.AllocedB, r.Allocs, name)
	}
	return table.Flush()
}
