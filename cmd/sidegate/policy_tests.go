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

func newPolicyTestCommand() *cobra.Command {
	var o authoring.TestOptions
	var paths policyPaths
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use:   "test [DIR...]",
		Short: "Run the tests of policies",
		Long: `Test runs the tests that opa test runs on the same paths: rules named test_ in files named _test.rego, under the
capabilities of the gateway. It exits with 1 if a test fails, and if none was run.`,
		Example: `  sidegate policy test policies
  sidegate policy test policies --run paths -v`,
		RunE: func(cmd *cobra.Command, args []string) error {
			dirs, err := paths.with(args)
			if err != nil {
				return err
			}
			o.Trace = verbose
			results, err := authoring.Test(cmd.Context(), dirs, o)
			if err != nil {
				return cannotLoad(cmd, err)
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), results)
			} else {
				err = printTests(cmd.OutOrStdout(), results, verbose)
			}
			if err != nil {
				return err
			}
			return judge(results, o.Run)
		},
	}
	paths.bind(cmd)
	cmd.Flags().StringVarP(&o.Run, "run", "r", "", "run only tests whose full name matches this regular expression")
	cmd.Flags().DurationVar(&o.Timeout, "timeout", authoring.DefaultTestTimeout, "longest time of one test")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show every test, what it prints, and traces of those that fail")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
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

// judge turns results into the command's error.
func judge(results []authoring.TestResult, filter string) error {
	tally := tallyOf(results)
	switch bad := tally[authoring.Fail] + tally[authoring.Error]; {
	case bad > 0:
		return fmt.Errorf("%d of %s failed", bad, count(len(results), "test"))
	case tally[authoring.Pass] > 0:
		return nil
	case filter != "":
		return fmt.Errorf("no test was run: none matches %q", filter)
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
		for _, c := range r.Cases {
			if c.Outcome != authoring.Pass || verbose {
				fmt.Fprintf(table, "%s\t  %s\t\t\n", outcomeText(w, c.Outcome), c.Name)
			}
		}
		for _, text := range []string{r.Error, r.Output, r.Trace} {
			if text == "" {
				continue
			}
			// Lines without a tab end the columns of a table, so flush first.
			if err := table.Flush(); err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")); err != nil {
				return err
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	tally := tallyOf(results)
	_, err := fmt.Fprintf(w, "%s: %d passed, %d failed, %d with errors, %d skipped, in %v\n", count(len(results), "test"),
		tally[authoring.Pass], tally[authoring.Fail], tally[authoring.Error], tally[authoring.Skip], total.Round(time.Millisecond))
	return err
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
