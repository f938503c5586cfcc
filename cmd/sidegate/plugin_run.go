package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/wasm/fixture"
)

func newPluginRunCommand() *cobra.Command {
	var box sandbox
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use:   "run [flags] MODULE FIXTURE...",
		Short: "Call a plugin with fixtures and compare what it does",
		Long: `Run calls a plugin once for each fixture, in the sandbox that the gateway uses, and compares what it does with what the
fixture expects. A fixture is a JSON file with phase, message, config, stdout, stderr and expect; what the plugin fetches
is answered by the fixture, and nothing is sent.`,
		Example: `  sidegate plugin run redact.wasm fixtures/*.json`,
		Args:    moduleThen("a fixture", "sidegate plugin run redact.wasm fixtures/*.json"),
		RunE: func(cmd *cobra.Command, args []string) error {
			runs, err := runFixtures(cmd.Context(), &box, args[0], args[1:], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), runs)
			} else {
				err = printRuns(cmd.OutOrStdout(), runs, verbose)
			}
			if err != nil {
				return err
			}
			bad := 0
			for _, r := range runs {
				if len(r.Differences) > 0 {
					bad++
				}
			}
			if bad > 0 {
				return &exitError{exitNo, fmt.Errorf("%d of %s failed", bad, count(len(runs), "fixture"))}
			}
			return nil
		},
	}
	box.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print what the plugin made of each message, and what that took")
	return cmd
}

// fixtureRun is what became of one fixture.
type fixtureRun struct {
	Fixture     string          `json:"fixture"`
	Verdict     fixture.Verdict `json:"verdict"`
	Code        int             `json:"code,omitempty"`
	Reason      string          `json:"reason,omitempty"`
	Message     json.RawMessage `json:"message,omitempty"`
	Stdout      string          `json:"stdout,omitempty"`
	Stderr      string          `json:"stderr,omitempty"`
	Fuel        int64           `json:"fuel"`   // instructions
	Memory      int64           `json:"memory"` // bytes
	Differences []string        `json:"differences"`
}

func runFixtures(ctx context.Context, box *sandbox, module string, files []string, log io.Writer) ([]fixtureRun, error) {
	fixtures, err := readFixtures(files)
	if err != nil {
		return nil, err
	}
	c, err := box.config(module, log)
	if err != nil {
		return nil, err
	}
	runner, err := fixture.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	defer runner.Close(context.WithoutCancel(ctx))
	runs := make([]fixtureRun, len(files))
	for i, f := range fixtures {
		got, err := runner.Run(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", files[i], err)
		}
		runs[i] = fixtureRun{
			Fixture: files[i], Verdict: got.Verdict, Code: got.Code, Reason: got.Reason, Message: got.Message,
			Stdout: string(got.Stdout), Stderr: string(got.Stderr), Fuel: got.Fuel, Memory: got.Memory,
			Differences: append([]string{}, f.Differences(got)...),
		}
		if len(got.Message) > 0 && !json.Valid(got.Message) { // what a plugin writes is not trusted to be
			if runs[i].Message, err = json.Marshal(string(got.Message)); err != nil {
				return nil, err
			}
		}
	}
	return runs, nil
}

func readFixtures(files []string) ([]fixture.Fixture, error) {
	fixtures := make([]fixture.Fixture, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if fixtures[i], err = fixture.Parse(text); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return fixtures, nil
}

func printRuns(w io.Writer, runs []fixtureRun, verbose bool) error {
	width := 0
	for _, r := range runs {
		width = max(width, len(r.Fixture))
	}
	for _, r := range runs {
		word := colour(w, green, "ok  ")
		if len(r.Differences) > 0 {
			word = colour(w, red, "FAIL")
		}
		if _, err := fmt.Fprintf(w, "%s  %-*s  %s\n", word, width, r.Fixture, r.ending()); err != nil {
			return err
		}
		for _, difference := range r.Differences {
			fmt.Fprintf(w, "      %s\n", difference)
		}
		if verbose {
			r.printParts(w)
		}
	}
	return nil
}

// ending says how a call ended: deny 403, "the token was refused".
func (r *fixtureRun) ending() string {
	text := string(r.Verdict)
	if r.Code != 0 {
		text += fmt.Sprintf(" %d", r.Code)
	}
	if r.Reason != "" {
		text += fmt.Sprintf(", %q", r.Reason)
	}
	return text
}

// printParts shows what the plugin made of the message, and what that took.
func (r *fixtureRun) printParts(w io.Writer) {
	if len(r.Message) > 0 {
		fmt.Fprintf(w, "      message  %s\n", r.Message)
	}
	for _, stream := range []struct{ name, text string }{{"stdout", r.Stdout}, {"stderr", r.Stderr}} {
		if stream.text != "" {
			fmt.Fprintf(w, "      %s   %q\n", stream.name, stream.text)
		}
	}
	fmt.Fprintf(w, "      took     %s instructions, %s of memory\n", humanize.Comma(r.Fuel), humanize.IBytes(uint64(r.Memory)))
}
