package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

func newJobsShowCommand() *cobra.Command {
	var n native
	cmd := &cobra.Command{
		Use:   "show JOB...",
		Short: "Show all that is known of a job but its output",
		Long: `Show prints what is known of a job: its command, how it was decided, when it ran and how it ended. The values of environment
variables and its standard input are not shown; its output is what sidegate jobs logs prints.`,
		Example: `  sidegate jobs show 0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd
  sidegate jobs show 0198c2d2-3f9a --json`,
		Args: someArguments("a job", "sidegate jobs show 0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := n.connect(cmd); err != nil {
				return err
			}
			defer n.close()
			first := true
			return eachOf(args, func(name string) error {
				id, err := n.jobID(cmd.Context(), name)
				if err != nil {
					return err
				}
				j, err := n.job(cmd.Context(), id)
				if err != nil {
					return err
				}
				if !first && !n.json {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				first = false
				return n.showJob(cmd.OutOrStdout(), j)
			})
		},
	}
	n.bind(cmd)
	return cmd
}

func (n *native) showJob(w io.Writer, j *job) error {
	if n.json {
		var indented bytes.Buffer
		if err := json.Indent(&indented, j.raw, "", "  "); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "%s\n", harmless(indented.Bytes()))
		return err
	}
	for _, f := range j.fields(w) {
		if f[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-12s %s\n", f[0]+":", f[1]); err != nil {
			return err
		}
	}
	return nil
}

// fields are names and what stands behind them.
func (j *job) fields(w io.Writer) [][2]string {
	ended := ""
	if j.EndedAt != nil {
		ended = fully(w, j.EndedAt)
	}
	if ended != "" && j.DurationMS != nil && j.StartedAt != nil {
		ended += ", after " + lasting(*j.DurationMS)
	}
	state := j.stateCell()
	fields := [][2]string{
		{"job", printable(j.JobID)},
		{"status", painted(w, state)},
		{"reason", oneLine(j.Reason)},
		{"client", printable(j.Client)},
		{"command", oneLine(j.line())},
		{"workdir", printable(j.Workdir)},
		{"variables", printable(strings.Join(j.Env, ", "))},
		{"labels", labelText(j.Labels)},
		{"accepted", fully(w, j.AcceptedAt)},
		{"started", ""},
		{"ended", ended},
		{"stdout", j.Stdout.String()},
		{"stderr", j.Stderr.String()},
		{"decision", printable(j.DecisionID)},
		{"policy", printable(j.Revision)},
		{"withheld", oneLine(j.Record.Withheld)},
	}
	if j.StartedAt != nil {
		fields[9][1] = fully(w, j.StartedAt)
	}
	for _, c := range j.Record.Changes {
		fields = append(fields, [2]string{"changed by", printable(c.Plugin) + " (" + printable(strings.Join(c.Fields, ", ")) + ")"})
	}
	for _, name := range slices.Sorted(maps.Keys(j.Record.Annotations)) {
		fields = append(fields, [2]string{"note", oneLine(name + ": " + j.Record.Annotations[name])})
	}
	return fields
}

// String says how long an output is, and what of it there is.
func (o *jobOutput) String() string {
	switch {
	case o == nil:
		return ""
	case o.Truncated:
		return fmt.Sprintf("%s bytes, of which %s are kept", humanize.Comma(o.Bytes), humanize.Comma(o.Kept))
	}
	return humanize.Comma(o.Bytes) + " bytes"
}

func labelText(labels map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, name+"="+labels[name])
	}
	return printable(strings.Join(all, ", "))
}

// printLine prints JSON as one line.
func printLine(w io.Writer, text json.RawMessage) error {
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s\n", harmless(line.Bytes()))
	return err
}

// someArguments wants one thing at least.
func someArguments(what, example string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 || slices.Contains(args, "") {
			return fmt.Errorf("name %s, as in: %s", what, example)
		}
		return nil
	}
}
