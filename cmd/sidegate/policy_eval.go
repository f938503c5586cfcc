package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/policy/authoring"
)

func newPolicyEvalCommand() *cobra.Command {
	var paths policyPaths
	var input string
	var asJSON, trace bool
	cmd := &cobra.Command{
		Use:   "eval --policies DIR [--input FILE] QUERY",
		Short: "Evaluate a Rego query against policies",
		Long: `Eval evaluates a query against policies and an input, and prints the value of each expression as JSON. An error of a
builtin is an error, as in the gateway, and not an undefined value.`,
		Example: `  sidegate policy eval --policies policies --input request.json data.sidegate.decision
  echo '{"n": 1}' | sidegate policy eval --policies policies --input - 'x := input.n'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dirs, err := paths.with(nil)
			if err != nil {
				return err
			}
			document, err := readInput(cmd.InOrStdin(), input)
			if err != nil {
				return err
			}
			o := authoring.EvalOptions{Prints: cmd.ErrOrStderr()}
			if trace {
				o.Trace = cmd.ErrOrStderr()
			}
			results, err := authoring.Eval(cmd.Context(), dirs, args[0], document, o)
			if err != nil {
				return cannotLoad(cmd, err)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), results)
			}
			return printResults(cmd.OutOrStdout(), results)
		},
	}
	paths.bind(cmd)
	cmd.Flags().StringVarP(&input, "input", "i", "", `file with the input as JSON or YAML, "-" for standard input (default no input)`)
	cmd.Flags().BoolVar(&trace, "trace", false, "write OPA's trace to standard error")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print all results with their bindings as one JSON document")
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

// printResults writes the bindings of each result, or its values when it has none.
func printResults(w io.Writer, results []authoring.EvalResult) error {
	if len(results) == 0 {
		_, err := fmt.Fprintln(w, "undefined")
		return err
	}
	for _, r := range results {
		if len(r.Bindings) > 0 {
			if err := printJSON(w, r.Bindings); err != nil {
				return err
			}
			continue
		}
		for _, value := range r.Values {
			if err := printJSON(w, value); err != nil {
				return err
			}
		}
	}
	return nil
}
