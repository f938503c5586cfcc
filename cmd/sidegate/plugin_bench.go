package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/wasm/fixture"
)

func newPluginBenchCommand() *cobra.Command {
	var box sandbox
	var rounds int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench [flags] MODULE FIXTURE...",
		Short: "Measure what calls of a plugin cost",
		Long: `Bench loads a plugin, calls it many times with each fixture, and prints how long a call takes, how many instructions it
executes and how much memory its instance has. A call is measured as the gateway makes it: counted, and in a fresh
memory each time. Fetches are not measured: they are answered by the fixture.`,
		Example: `  sidegate plugin bench redact.wasm fixtures/*.json`,
		Args:    moduleThen("a fixture", "sidegate plugin bench redact.wasm fixtures/*.json"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if rounds < 1 {
				return errors.New("--count must be at least 1")
			}
			report, err := benchPlugin(cmd.Context(), &box, args[0], args[1:], rounds, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), report)
			}
			return report.print(cmd.OutOrStdout())
		},
	}
	box.bind(cmd)
	cmd.Flags().IntVar(&rounds, "count", 1000, "how often the plugin is called with each fixture")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// pluginBench is what calls of a plugin cost.
type pluginBench struct {
	Module string        `json:"module"`
	Load   time.Duration `json:"load_ns"` // reading, rewriting and compiling it
	Calls  []pluginCost  `json:"calls"`
}

// pluginCost is what a plugin's calls with one fixture cost.
type pluginCost struct {
	Fixture string          `json:"fixture"`
	Verdict fixture.Verdict `json:"verdict"`
	P50     time.Duration   `json:"p50_ns"`
	P99     time.Duration   `json:"p99_ns"`
	Fuel    int64           `json:"fuel"`   // instructions
	Memory  int64           `json:"memory"` // bytes
}

func benchPlugin(ctx context.Context, box *sandbox, module string, files []string, rounds int, w io.Writer) (*pluginBench, error) {
	fixtures, err := readFixtures(files)
	if err != nil {
		return nil, err
	}
	c, err := box.config(module, nil)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	runner, err := fixture.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	defer runner.Close(context.WithoutCancel(ctx))
	report := &pluginBench{Module: module, Load: time.Since(start)}
	for i, f := range fixtures {
		progress(w, "%s", files[i])
		times, last, err := runner.Measure(ctx, f, rounds)
		if err != nil {
			progress(w, "")
			return nil, fmt.Errorf("%s: %w", files[i], err)
		}
		slices.Sort(times)
		rank := func(percent int) time.Duration { return times[(len(times)*percent+99)/100-1] }
		report.Calls = append(report.Calls, pluginCost{
			Fixture: files[i], Verdict: last.Verdict, P50: rank(50), P99: rank(99), Fuel: last.Fuel, Memory: last.Memory,
		})
	}
	progress(w, "")
	return report, nil
}

func (b *pluginBench) print(w io.Writer) error {
	fmt.Fprintf(w, "%s, compiled in %v\n\n", b.Module, b.Load.Round(time.Millisecond))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "P50\tP99\tINSTRUCTIONS\tMEMORY\t  FIXTURE")
	for _, c := range b.Calls {
		fmt.Fprintf(table, "%v\t%v\t%s\t%s\t  %s (%s)\n", c.P50.Round(100*time.Nanosecond), c.P99.Round(100*time.Nanosecond),
			humanize.Comma(c.Fuel), humanize.IBytes(uint64(c.Memory)), c.Fixture, c.Verdict)
	}
	return table.Flush()
}
