package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/daemon"
	"github.com/sidegate/sidegate/policy"
)

// maxBenchLine bounds one line of requests: the largest body that a gateway can be configured to take, with room.
const maxBenchLine = 16 << 20

func newPolicyBenchCommand() *cobra.Command {
	var o offline
	var rounds, slowest int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench [flags] FILE",
		Short: "Measure how long decisions take",
		Long: `Bench takes a file of requests, makes the policy decide each many times, and prints how long a decision takes and what
it allocates. Only the decision is measured, as the gateway makes it, and not the analysis before it.

FILE has one JSON object on each line, "-" is standard input. Either {"command": ...} with, as needed, workdir, env (an
object), callback, no_wait, source_ip and client {name, scheme, key_id, roles, labels}; what is left out of the client is
taken from the flags. Or a whole input of a policy, as policy explain --json prints it.`,
		Example: `  sidegate policy bench --policies policies requests.jsonl
  echo '{"command": "ls -l /srv", "client": {"roles": ["readonly"]}}' | sidegate policy bench --policies policies --json -`,
		Args: oneArgument("the file of requests", "sidegate policy bench --policies policies requests.jsonl"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if rounds < 1 || slowest < 0 {
				return errors.New("--count must be at least 1, and --slowest not negative")
			}
			gate, err := o.open(cmd.Context())
			if err != nil {
				return cannotLoad(cmd, err)
			}
			defer gate.Close(cmd.Context())
			asked, err := readRequests(cmd.InOrStdin(), args[0], gate.Explainer, gate.client)
			if err != nil {
				return err
			}
			report, err := measure(cmd.Context(), gate.Explainer, asked, rounds, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), report)
			}
			return report.print(cmd.OutOrStdout(), slowest)
		},
	}
	o.bind(cmd)
	cmd.Flags().IntVar(&rounds, "count", 200, "how often each request is decided")
	cmd.Flags().IntVar(&slowest, "slowest", 10, "how many of the slowest requests to print")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with all requests")
	return cmd
}

// asked is one line of a file of requests.
type asked struct {
	line  int
	input policy.Input
}

func readRequests(stdin io.Reader, name string, e *daemon.Explainer, client policy.Client) ([]asked, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, maxBenchLine)
	var all []asked
	for line := 1; scanner.Scan(); line++ {
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
			continue
		}
		input, err := readRequest(scanner.Bytes(), e, client)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		all = append(all, asked{line, input})
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf(`%s holds no request: write one on each line, such as {"command": "ls -l /srv"}`, name)
	}
	return all, nil
}

// readRequest reads a whole input, which has the key shell, or a call.
func readRequest(text []byte, e *daemon.Explainer, client policy.Client) (policy.Input, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return policy.Input{}, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if _, whole := keys["shell"]; whole {
		var in policy.Input
		err := d.Decode(&in)
		return in, err
	}
	call := daemon.Call{Client: client}
	if _, own := keys["client"]; own {
		call.Client.Roles = nil // or decoding would write over the roles of all others
	}
	if err := d.Decode(&call); err != nil {
		return policy.Input{}, err
	}
	if call.Client.Roles == nil {
		call.Client.Roles = client.Roles
	}
	return e.Input(call)
}

// timing is how long the decisions on one request take, or on all.
type timing struct {
	Line    int           `json:"line,omitzero"` // of the file
	Command string        `json:"command,omitzero"`
	Allowed bool          `json:"allowed"`
	Fault   string        `json:"fault,omitzero"`
	Count   int           `json:"count"`
	P50     time.Duration `json:"p50_ns"`
	P99     time.Duration `json:"p99_ns"`
	Max     time.Duration `json:"max_ns"`
	Allocs  uint64        `json:"allocs"` // of one decision
	Bytes   uint64        `json:"bytes"`
}

type benchReport struct {
	Requests []timing `json:"requests"` // in the file's order
	Allowed  int      `json:"allowed"`
	Denied   int      `json:"denied"`
	Faults   int      `json:"faults"`
	Total    timing   `json:"total"`
}

// measure decides each request many times, one after another, so that no decision waits for another.
func measure(ctx context.Context, e *daemon.Explainer, all []asked, rounds int, terminal io.Writer) (*benchReport, error) {
	report := &benchReport{}
	var durations []time.Duration
	shown := time.Now()
	for i, a := range all {
		t, took, err := measureOne(ctx, e, a, rounds)
		if err != nil {
			progress(terminal, "")
			return nil, err
		}
		durations = append(durations, took...)
		report.add(t)
		if time.Since(shown) > 100*time.Millisecond {
			shown = time.Now()
			progress(terminal, "%d of %s", i+1, count(len(all), "request"))
		}
	}
	progress(terminal, "")
	report.Total.set(durations)
	report.Total.Allocs /= uint64(len(all))
	report.Total.Bytes /= uint64(len(all))
	return report, nil
}

func measureOne(ctx context.Context, e *daemon.Explainer, a asked, rounds int) (timing, []time.Duration, error) {
	decision, err := e.Decide(ctx, a.input) // warms up what the first decision has to set up
	if err != nil {
		return timing{}, nil, err
	}
	took := make([]time.Duration, rounds)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range took {
		start := time.Now()
		if _, err := e.Decide(ctx, a.input); err != nil {
			return timing{}, nil, err
		}
		took[i] = time.Since(start)
	}
	runtime.ReadMemStats(&after)
	if err := ctx.Err(); err != nil {
		return timing{}, nil, err
	}
	t := timing{
		Line: a.line, Command: a.input.Request.Command, Allowed: decision.Allow, Fault: decision.Fault,
		Allocs: (after.Mallocs - before.Mallocs) / uint64(rounds), Bytes: (after.TotalAlloc - before.TotalAlloc) / uint64(rounds),
	}
	t.set(took)
	return t, took, nil
}

func (r *benchReport) add(t timing) {
	r.Requests = append(r.Requests, t)
	r.Total.Allocs += t.Allocs
	r.Total.Bytes += t.Bytes
	switch {
	case t.Fault != "":
		r.Faults++
	case t.Allowed:
		r.Allowed++
	default:
		r.Denied++
	}
}

// set takes the quantiles by nearest rank.
func (t *timing) set(took []time.Duration) {
	took = slices.Sorted(slices.Values(took))
	rank := func(percent int) time.Duration { return took[(len(took)*percent+99)/100-1] }
	t.Count, t.P50, t.P99, t.Max = len(took), rank(50), rank(99), took[len(took)-1]
}

func (r *benchReport) print(w io.Writer, slowest int) error {
	rows := slices.SortedStableFunc(slices.Values(r.Requests), func(a, b timing) int { return cmp.Compare(b.P50, a.P50) })
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "P50\tP99\tMAX\tALLOCS\tBYTES\t  REQUEST")
	for _, t := range rows[:min(slowest, len(rows))] {
		t.print(table, fmt.Sprintf("%d: %s (%s)", t.Line, clip(plain(t.Command)), t.verdict()))
	}
	r.Total.print(table, "all")
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s decided %s: %d allowed, %d denied, %d without an answer\n",
		count(len(r.Requests), "request"), count(r.Total.Count, "time"), r.Allowed, r.Denied, r.Faults)
	return err
}

func (t timing) print(w io.Writer, what string) {
	fmt.Fprintf(w, "%v\t%v\t%v\t%d\t%s\t  %s\n", t.P50.Round(100*time.Nanosecond), t.P99.Round(100*time.Nanosecond), t.Max.Round(100*time.Nanosecond),
		t.Allocs, humanize.IBytes(t.Bytes), what)
}

func (t timing) verdict() string {
	switch {
	case t.Fault != "":
		return "no answer: " + t.Fault
	case t.Allowed:
		return "allowed"
	}
	return "denied"
}

// clip keeps a table's row to one line.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
