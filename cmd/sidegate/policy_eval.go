package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/policy/authoring"
)

func newPolicyEvalCommand() *cobra.Command {
	var paths policyPaths
	var input string
	var stdinInput, trace, profile, fail, failDefined bool
	var limit int
	var format *choice
	explain := &choice{"off", []string{"off", "full", "notes", "fails", "debug"}}
	cmd := &cobra.Command{
		Use:   "eval --policies DIR [--input FILE] QUERY",
		Short: "Evaluate a Rego query against policies",
		Long: `Eval evaluates a query against policies and an input, and prints the value of each expression as JSON. An error of a
builtin is an error, as in the gateway, and not an undefined value. The trace and the profile go to standard error.`,
		Example: `  sidegate policy eval --policies policies --input request.json data.sidegate.decision
  echo '{"n": 1}' | sidegate policy eval --policies policies --input - 'x := input.n'
  sidegate policy explain --policies policies --json -- uptime | jq .input | sidegate policy eval --policies policies -I data.sidegate.grants.covers
  sidegate policy eval --policies policies --input request.json --profile data.sidegate.decision`,
		Args: oneArgument("the query", "sidegate policy eval --policies policies data.sidegate.roles"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dirs, err := paths.with(nil)
			if err != nil {
				return err
			}
			if stdinInput {
				input = "-"
			}
			document, err := readInput(cmd.InOrStdin(), input)
			if err != nil {
				return err
			}
			o := authoring.EvalOptions{Prints: cmd.ErrOrStderr(), Explain: explain.value, AllowBuiltins: paths.allow}
			if trace || explain.value != "off" {
				o.Trace = cmd.ErrOrStderr()
			}
			if profile {
				o.Profile = &[]authoring.ProfileEntry{}
			}
			results, err := authoring.Eval(cmd.Context(), dirs, args[0], document, o)
			if err != nil {
				return cannotLoad(cmd, err)
			}
			if profile {
				if err := printProfile(cmd.ErrOrStderr(), *o.Profile, limit); err != nil {
					return err
				}
			}
			if err := printResults(cmd.OutOrStdout(), results, format.value); err != nil {
				return err
			}
			switch {
			case fail && len(results) == 0:
				return &exitError{1, errors.New("the result is undefined")}
			case failDefined && len(results) > 0:
				return &exitError{1, errors.New("the result is defined")}
			}
			return nil
		},
	}
	paths.bind(cmd)
	paths.bindBuiltins(cmd)
	cmd.Flags().StringVarP(&input, "input", "i", "", `file with the input as JSON or YAML, "-" for standard input (default no input)`)
	f := cmd.Flags()
	f.StringArrayVarP(&paths.data, "data", "d", nil, "the same as --policies, as opa names it")
	f.StringArrayVarP(&paths.bundles, "bundle", "b", nil, "the same as --policies, as opa names it")
	f.BoolVarP(&stdinInput, "stdin-input", "I", false, "the same as --input -")
	f.Var(explain, "explain", "write OPA's trace, or a part of it, to standard error")
	f.BoolVar(&trace, "trace", false, "the same as --explain full")
	f.BoolVar(&profile, "profile", false, "write the expressions that take the longest to standard error")
	f.IntVar(&limit, "profile-limit", 10, "how many expressions")
	f.BoolVar(&fail, "fail", false, "exit with 1 when the result is undefined")
	f.BoolVar(&failDefined, "fail-defined", false, "exit with 1 when the result is defined")
	format = bindFormat(cmd, "pretty", "json", "values", "bindings", "raw")
	f.Lookup("format").Usage = "what to print: bindings or else values, one by one; all results as JSON; values or bindings alone; raw strings"
	return cmd
}

// readInput returns nil for no file, which is no input at all.
func readInput(stdin io.Reader, file string) ([]byte, error) {
	switch file {
	case "":
		return nil, nil
	case "-":
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file)
}

// printResults writes results as a format says; pretty is the bindings of each result, or its values when it has none.
func printResults(w io.Writer, results []authoring.EvalResult, format string) error {
	if format == "json" {
		return printJSON(w, struct {
			Result []authoring.EvalResult `json:"result,omitempty"`
		}{results})
	}
	if len(results) == 0 {
		_, err := fmt.Fprintln(w, "undefined")
		return err
	}
	for _, r := range results {
		if format == "bindings" || format == "pretty" && len(r.Bindings) > 0 {
			if err := printJSON(w, r.Bindings); err != nil {
				return err
			}
			continue
		}
		for _, value := range r.Values() {
			if err := printValue(w, value, format); err != nil {
				return err
			}
		}
	}
	return nil
}

func printValue(w io.Writer, value any, format string) error {
	if text, ok := value.(string); ok && format == "raw" {
		_, err := fmt.Fprintln(w, text)
		return err
	}
	return printJSON(w, value)
}

func printProfile(w io.Writer, entries []authoring.ProfileEntry, limit int) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TIME\tEVAL\tREDO\tEXPRS\tWHERE\tEXPRESSION")
	for _, e := range entries[:min(max(limit, 0), len(entries))] {
		fmt.Fprintf(table, "%v\t%d\t%d\t%d\t%s:%d\t%s\n", e.Time, e.NumEval, e.NumRedo, e.NumExprs, e.File, e.Line, e.Text)
	}
	return table.Flush()
}
