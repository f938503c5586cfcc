package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sidegate/sidegate/policy"
)

// newPolicyCommand holds the tools of policy authors. They work on files and need no gateway.
func newPolicyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check, test and evaluate policies",
		Long: `Policy holds the tools of people who write Rego for the gateway. They work on files alone, load paths as the opa command
does, and hold policies to what the gateway grants them: no http.send, no opa.runtime.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyCheckCommand(), newPolicyTestCommand(), newPolicyEvalCommand())
	return cmd
}

// policyPaths are the policies that a command works on: its arguments, as with the opa command, and --policies.
type policyPaths struct{ flag []string }

func (p *policyPaths) bind(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&p.flag, "policies", nil, "directory, file or bundle of policies; may be repeated")
}

func (p *policyPaths) with(args []string) ([]string, error) {
	paths := append(append([]string{}, args...), p.flag...)
	if len(paths) == 0 {
		return nil, errors.New("no policies are named: give their directory, for example --policies policies")
	}
	return paths, nil
}

// printProblems writes one problem a line, ready for editors that jump to file:line.
func printProblems(w io.Writer, problems []policy.Problem) error {
	for _, p := range problems {
		if _, err := fmt.Fprintln(w, p); err != nil {
			return err
		}
	}
	return nil
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// count writes "1 test" and "2 tests".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// colour wraps text in an ANSI colour when w is a terminal and nobody has asked for plain text.
func colour(w io.Writer, code, text string) string {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || !term.IsTerminal(int(file.Fd())) {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
)
