package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/policy/authoring"
)

// testRun is what one `sidegate policy test` does.
type testRun struct {
	authoring.TestOptions
	paths     policyPaths
	format    *choice
	verbose   bool
	bench     bool
	threshold float64
}

func newPolicyTestCommand() *cobra.Command {
	var t testRun
	cmd := &cobra.Command{
		Use:   "test [DIR...]",
		Short: "Run the tests of policies",
		Long: `Test runs the tests that opa test runs on the same paths: rules named test_ in files named _test.rego, under the
capabilities of the gateway. It shows those that do not pass, with what they print.

Exit codes, as of opa test: 0 when all tests passed; 2 when one failed, or the tests reach less than --threshold; 1 when
they could not be run. Unlike opa test, it is an error that there are none, and skipped tests are not one.`,
		Example: `  sidegate policy test policies
  sidegate policy test policies --run paths -v
  sidegate policy test policies --coverage --threshold 95
  sidegate policy test policies --var-values
  sidegate policy test policies --format junit > junit.xml
  sidegate policy test policies --bench --run everyday`,
		RunE: t.run,
	}
	t.paths.bind(cmd)
	t.paths.bindBuiltins(cmd)
	f := cmd.Flags()
	f.StringVarP(&t.Run, "run", "r", "", "run only tests whose full name matches this regular expression")
	f.DurationVar(&t.Timeout, "timeout", 0, fmt.Sprintf("longest time of one test, or of its benchmark (default %v)", authoring.DefaultTestTimeout))
	f.IntVarP(&t.Parallel, "parallel", "p", 0, "how many tests run at once; benchmarks run one by one (default one for each processor)")
	f.BoolVarP(&t.verbose, "verbose", "v", false, "show every test, what it prints, and traces of those that fail")
	f.BoolVar(&t.VarValues, "var-values", false, "show the expression that failed, with the values of its variables")
	f.BoolVarP(&t.Coverage, "coverage", "c", false, "report which lines the tests do not reach")
	f.Float64Var(&t.threshold, "threshold", 0, "exit with 2 when the tests reach less than this percentage of lines; implies --coverage")
	f.BoolVar(&t.bench, "bench", false, "measure how long each test takes; about a second for each")
	t.format = bindFormat(cmd, "pretty", "json", "junit")
	return cmd
}

func (t *testRun) run(cmd *cobra.Command, args []string) error {
	dirs, err := t.paths.with(args)
	if err != nil {
		return err
	}
	t.AllowBuiltins = t.paths.allow
	switch {
	case t.threshold < 0 || t.threshold > 100:
		return errors.New("--threshold is a percentage, between 0 and 100")
	case t.Timeout < 0 || t.Parallel < 0:
		return errors.New("--timeout and --parallel must not be negative")
	case t.bench && (t.Coverage || t.threshold > 0 || t.VarValues || t.format.value == "junit"):
		return errors.New("--bench measures, and goes with --run, --timeout and --format json alone")
	case t.bench:
		return t.benchmark(cmd, dirs)
	}
	t.Trace, t.Coverage = t.verbose, t.Coverage || t.threshold > 0
	report, err := authoring.Test(cmd.Context(), dirs, t.TestOptions)
	if err != nil {
		return cannotLoad(cmd, err)
	}
	if err := t.print(cmd.OutOrStdout(), report); err != nil {
		return err
	}
	return t.judge(report)
}

func (t *testRun) print(w io.Writer, report authoring.TestReport) error {
	switch {
	case t.format.value == "junit":
		return authoring.WriteJUnit(w, report.Tests)
	case t.format.value == "json" && report.Coverage == nil:
		return printJSON(w, report.Tests)
	case t.format.value == "json":
		return printJSON(w, report)
	}
	if err := printTests(w, report.Tests, t.verbose); err != nil || report.Coverage == nil {
		return err
	}
	return printCoverage(w, report.Coverage, t.verbose)
}

// cannotLoad prints what keeps policies from being loaded, if it is in the policies.
func cannotLoad(cmd *cobra.Command, err error) error {
	problems := policy.Problems(err)
	if len(problems) == 0 || problems[0].File == "" {
		return err
	}
	if err := printProblems(cmd.ErrOrStderr(), problems); err != nil {
		return err
	}
	return errors.New("the policies do not compile")
}

// judge turns a report into the command's error.
func (t *testRun) judge(report authoring.TestReport) error {
	tally := tallyOf(report.Tests)
	bad := tally[authoring.Fail] + tally[authoring.Error]
	switch {
	case bad > 0:
		return &exitError{exitNo, fmt.Errorf("%d of %s failed", bad, count(len(report.Tests), "test"))}
	case tally[authoring.Pass] == 0:
		return t.noTests()
	case t.threshold > 0 && report.Coverage.Percent < t.threshold:
		return &exitError{exitNo, fmt.Errorf("the tests reach %.2f %% of the lines, and %v %% are asked for", report.Coverage.Percent, t.threshold)}
	}
	return nil
}

func (t *testRun) noTests() error {
	if t.Run != "" {
		return fmt.Errorf("no test was run: none matches %q", t.Run)
	}
	return errors.New("no test was run: tests are rules named test_ in files named _test.rego")
}

func tallyOf(results []authoring.TestResult) map[authoring.Outcome]int {
	tally := make(map[authoring.Outcome]int)
	for _, r := range results {
		tally[r.Outcome]++
	}
	return tally
}

// printTests writes a table of the tests that did not pass, or of all, with what belongs to each below it.
func printTests(w io.Writer, results []authoring.TestResult, verbose bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var total time.Duration
	for _, r := range results {
		total += r.Duration
		if r.Outcome == authoring.Pass && !verbose {
			continue
		}
		fmt.Fprintf(table, "%s\t%s.%s\t%s:%d\t%v\n", outcomeText(w, r.Outcome), r.Package, r.Name, r.File, r.Line, r.Duration.Round(time.Microsecond))
		below := []string{r.Error, r.Output, r.FailedAt, r.Trace}
		for _, c := range r.Cases {
			if c.Outcome != authoring.Pass || verbose {
				fmt.Fprintf(table, "%s\t  %s\t\t\n", outcomeText(w, c.Outcome), c.Name)
			}
			if c.FailedAt != "" {
				below = append(below, c.Name+": "+c.FailedAt)
			}
		}
		// Lines without a tab end the columns of a table, so flush first.
		if err := table.Flush(); err != nil {
			return err
		}
		if err := printBelow(w, below); err != nil {
			return err
		}
	}
	tally := tallyOf(results)
	_, err := fmt.Fprintf(w, "%s: %d passed, %d failed, %d with errors, %d skipped, in %v\n", count(len(results), "test"),
		tally[authoring.Pass], tally[authoring.Fail], tally[authoring.Error], tally[authoring.Skip], total.Round(time.Millisecond))
	return err
}

// printBelow writes texts indented, without the empty ones.
func printBelow(w io.Writer, texts []string) error {
	for _, text := range texts {
		if text == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")); err != nil {
			return err
		}
	}
	return nil
}

func outcomeText(w io.Writer, o authoring.Outcome) string {
	code := red
	switch o {
	case authoring.Pass:
		code = green
	case authoring.Skip:
		code = yellow
	}
	return colour(w, code, strings.ToUpper(string(o)))
}
