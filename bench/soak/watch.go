package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidegate/sidegate/bench/process"
)

// A sample is what the gateway uses at a moment.
type sample struct {
	Seconds     float64 `json:"seconds"`
	ResidentMiB float64 `json:"resident_mib"`
	Descriptors int     `json:"descriptors"`
	Goroutines  int     `json:"goroutines"`
	Calls       int     `json:"calls"`
}

// watcher takes a sample every second, and prints a line now and then.
type watcher struct {
	site    *site
	tally   *tally
	lines   io.Writer
	every   time.Duration
	start   time.Time
	samples []sample
	told    int // errors that were printed
}

// until watches until the context ends. An error means that the gateway could not be looked at.
func (w *watcher) until(ctx context.Context) error {
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	next := w.start.Add(w.every)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
		one, err := w.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		w.samples = append(w.samples, one)
		if err := w.tellErrors(); err != nil {
			return err
		}
		if time.Now().Before(next) {
			continue
		}
		next = next.Add(w.every)
		sum := w.tally.total()
		if _, err := fmt.Fprintf(w.lines, "%6.0fs  %8d calls  %4d told to come again  %4d out of time  %4d wrong  %6.1f MiB  %4d descriptors  %4d goroutines\n",
			one.Seconds, one.Calls, sum.Busy, sum.Slow, sum.Wrong, one.ResidentMiB, one.Descriptors, one.Goroutines); err != nil {
			return err
		}
	}
}

// tellErrors prints the errors that are new.
func (w *watcher) tellErrors() error {
	_, first := w.tally.read()
	for ; w.told < len(first); w.told++ {
		if _, err := fmt.Fprintf(w.lines, "WRONG after %v: %s\n", time.Since(w.start).Round(time.Second), first[w.told]); err != nil {
			return err
		}
	}
	return nil
}

func (w *watcher) look(ctx context.Context) (sample, error) {
	pid := w.site.gateway.PID()
	memory, err := process.ReadMemory(pid)
	if err != nil {
		return sample{}, err
	}
	open, err := process.Descriptors(pid)
	if err != nil {
		return sample{}, err
	}
	goroutines, err := w.site.metric(ctx, "go_goroutines")
	return sample{time.Since(w.start).Seconds(), float64(memory.Resident) / (1 << 20), open, int(goroutines), w.tally.total().Done}, err
}

// metric reads one figure of the metrics page.
func (s *site) metric(ctx context.Context, name string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gateway/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := s.admin.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if value, is := strings.CutPrefix(lines.Text(), name+" "); is {
			return strconv.ParseFloat(value, 64)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("the metrics have no %s", name)
}

// growth compares the last third of the samples with the one before it: what is needed at first, and grows until everything has been in use once, is in
// the first third.
type growth struct {
	Name    string  `json:"name"`
	Before  float64 `json:"before"` // the median of the second third
	After   float64 `json:"after"`  // of the last
	Allowed float64 `json:"allowed"`
}

func (g growth) grew() bool { return g.After > g.Allowed }

// settled is how long a gateway runs until its figures say something: before that, what is grown is what a heap and the pools need.
const settled = 5 * time.Minute

func growths(samples []sample, length time.Duration) []growth {
	third, factor, slack := len(samples)/3, 1.1, 1.0
	if length < settled {
		factor, slack = 1.5, 3
	}
	compare := func(name string, more float64, of func(sample) float64) growth {
		g := growth{Name: name, Before: medianOf(samples[third:2*third], of), After: medianOf(samples[2*third:], of)}
		g.Allowed = g.Before*factor + more*slack
		return g
	}
	return []growth{
		compare("resident memory, MiB", 16, func(s sample) float64 { return s.ResidentMiB }),
		compare("descriptors", 16, func(s sample) float64 { return float64(s.Descriptors) }),
		compare("goroutines", 32, func(s sample) float64 { return float64(s.Goroutines) }),
	}
}

func medianOf(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
