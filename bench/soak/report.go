package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sidegate/sidegate/bench/process"
)

// report is how a gateway did.
type report struct {
	Seconds   float64          `json:"seconds"`
	Counts    map[string]count `json:"counts"`
	Growth    []growth         `json:"growth"`
	Processes int              `json:"processes_left"`
	Audit     string           `json:"audit"` // what `sidegate audit verify` says of it, where nothing was changed
	Log       map[string]int   `json:"log"`   // warnings and errors of the gateway, by their message
	Wrong     []string         `json:"wrong"` // all that is not as it must be
	Samples   []sample         `json:"samples"`
}

// settle is how long the gateway has, when the load has ended, to do what is still to be done.
const settle = time.Minute

// conclude looks at what there is at the end.
func (s *site) conclude(ctx context.Context, t *tally, samples []sample, length time.Duration) (*report, error) {
	r := &report{Seconds: length.Seconds(), Samples: samples, Growth: growths(samples, length)}
	r.Counts, r.Wrong = t.read()
	for _, name := range slices.Sorted(maps.Keys(r.Counts)) {
		if c := r.Counts[name]; c.Done == 0 {
			r.Wrong = append(r.Wrong, name+": it was never done")
		}
	}
	sum := t.total()
	r.demand(float64(sum.Slow) <= max(5, slowAllowed*float64(sum.Done)), "%d calls were out of time, beside %d that were done", sum.Slow, sum.Done)
	for end := time.Now().Add(settle); ; time.Sleep(50 * time.Millisecond) {
		left, err := process.Find(s.sleep)
		if err != nil {
			return nil, err
		}
		if r.Processes = len(left); r.Processes == 0 || time.Now().After(end) || ctx.Err() != nil {
			break
		}
	}
	r.demand(r.Processes == 0, "%d processes of cancelled jobs are left", r.Processes)
	for _, g := range r.Growth {
		r.demand(!g.grew(), "%s grew from %.1f to %.1f", g.Name, g.Before, g.After)
	}
	stopErr := s.gateway.Stop()
	r.demand(stopErr == nil, "told to stop, the gateway ended with %v", stopErr)
	said, err := exec.CommandContext(ctx, s.binary, "audit", "verify", "--config", filepath.Join(s.dir, "gate", "sidegate.yaml")).CombinedOutput()
	for line := range strings.Lines(string(said)) {
		if strings.Contains(line, "nothing was changed") {
			r.Audit = strings.TrimSpace(line)
		}
	}
	r.demand(err == nil && strings.Contains(string(said), "nothing was changed"), "the audit: %v: %s", err, said)
	r.Log = s.readLog()
	r.demand(!strings.Contains(s.gateway.Log(), "panic"), "the gateway panicked: %s", tail(s.gateway.Log()))
	return r, ctx.Err()
}

func (r *report) demand(is bool, format string, args ...any) {
	if !is {
		r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
	}
}

func (r *report) print(w io.Writer) error {
	fmt.Fprintf(w, "\nafter %.0f seconds\n\n", r.Seconds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tdone\ttold to come again\tout of time\twrong\t")
	for _, name := range slices.Sorted(maps.Keys(r.Counts)) {
		c := r.Counts[name]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t\n", name, c.Done, c.Busy, c.Slow, c.Wrong)
	}
	fmt.Fprintln(t, "\n\tsecond third\tlast third\tallowed\t")
	for _, g := range r.Growth {
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t\n", g.Name, g.Before, g.After, g.Allowed)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nprocesses left: %d\naudit: %s\n", r.Processes, r.Audit)
	for _, message := range slices.Sorted(maps.Keys(r.Log)) {
		fmt.Fprintf(w, "log: %d times: %s\n", r.Log[message], message)
	}
	for _, what := range r.Wrong {
		fmt.Fprintf(w, "WRONG: %s\n", what)
	}
	_, err := fmt.Fprintln(w, map[bool]string{true: "all is as it must be", false: "not all is as it must be"}[len(r.Wrong) == 0])
	return err
}
