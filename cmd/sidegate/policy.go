package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/sidegate/sidegate/policy"
)

// newPolicyCommand holds the tools of policy authors. They work on files and need no gateway.
func newPolicyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check, test, explain and bundle policies",
		Long: `Policy holds the tools of people who write Rego for the gateway. They need no gateway: they work on files, load paths as
the opa command does, and hold policies to what the gateway grants them: no http.send, no opa.runtime. Flags that opa has
too have its names.

Exit codes: 0 when the answer is good; 1 when there is none, such as for policies that do not compile; 2 when the answer
is no: a test failed, a file is not formatted, a command is denied; 130 or 143 when SIGINT or SIGTERM stopped it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newPolicyCheckCommand(),
		newPolicyTestCommand(),
		newPolicyFmtCommand(),
		newPolicyEvalCommand(),
		newPolicyExplainCommand(),
		newPolicyBenchCommand(),
		newPolicyReplayCommand(),
		newPolicySuggestCommand(),
		newPolicyBundleCommand(),
	)
	return cmd
}

// policyPaths are the policies that a command works on: its arguments, as with the opa command, and --policies.
type policyPaths struct {
	flag, data, bundles []string

	allow []string // builtins that the gateway allows although it withholds them by default
}

func (p *policyPaths) bind(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&p.flag, "policies", nil, "directory, file or bundle of policies; may be repeated")
}

// bindBuiltins adds what commands that compile policies need to know too.
func (p *policyPaths) bindBuiltins(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&p.allow, "allow-builtin", nil, "builtin that the gateway's configuration allows, such as http.send; may be repeated")
}

func (p *policyPaths) with(args []string) ([]string, error) {
	paths := slices.Concat(args, p.flag, p.data, p.bundles)
	if len(paths) == 0 {
		return nil, errors.New("no policies are named: give their directory, for example --policies policies")
	}
	return paths, nil
}

// exitNo is the exit code of a command that did its work and whose answer is no, as opa test and opa fmt have it.
const exitNo = 2

// oneArgument wants what a command is about, and nothing more; an example says how.
func oneArgument(what, example string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return fmt.Errorf("%s is missing; for example: %s", what, example)
		case len(args) > 1:
			return fmt.Errorf("one argument is wanted, %s, and %d were given: %s", what, len(args), strings.Join(args, " "))
		}
		return nil
	}
}

// choice is the value of a flag that is one word of a few.
type choice struct {
	value string
	of    []string
}

var _ pflag.Value = (*choice)(nil)

func (c *choice) String() string { return c.value }

func (c *choice) Type() string { return strings.Join(c.of, "|") }

func (c *choice) Set(value string) error {
	if !slices.Contains(c.of, value) {
		return fmt.Errorf("must be one of %s", strings.Join(c.of, ", "))
	}
	c.value = value
	return nil
}

// bindFormat adds --format with the formats given, of which the first is the default, and --json, which every command of
// sidegate has.
func bindFormat(cmd *cobra.Command, formats ...string) *choice {
	c := &choice{formats[0], formats}
	cmd.Flags().VarP(c, "format", "f", "how to print")
	cmd.Flags().BoolFunc("json", "the same as --format json", func(value string) error {
		if on, err := strconv.ParseBool(value); err != nil || !on {
			return err
		}
		return c.Set("json")
	})
	return c
}

// isTerminal reports whether somebody is looking at w.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// progress shows on a terminal how far long work has got, and nothing elsewhere. Each line is written over the last; an
// empty one clears it.
func progress(w io.Writer, format string, args ...any) {
	if isTerminal(w) {
		fmt.Fprint(w, "\r\x1b[K"+fitting(w, fmt.Sprintf(format, args...)))
	}
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

// printJSON prints a value for machines, of which people look at the output too: see harmless.
func printJSON(w io.Writer, value any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(harmless(text.Bytes()))
	return err
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
	if os.Getenv("NO_COLOR") != "" || !isTerminal(w) {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
)
