package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// build makes the programs as they are shipped. BENCH_SIDEGATE, an absolute path, takes the place of a gateway that is built.
func build(t *testing.T) options {
	t.Helper()
	dir := t.TempDir()
	o := options{sidegate: os.Getenv("BENCH_SIDEGATE"), plugins: dir, length: 30 * time.Second, every: 5 * time.Second}
	do := func(env []string, args ...string) {
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"build"}, args...)...)
		cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, text)
		}
	}
	if o.sidegate == "" {
		o.sidegate = filepath.Join(dir, "sidegate")
		do(nil, "-o", o.sidegate, "github.com/sidegate/sidegate/cmd/sidegate")
	}
	do([]string{"GOOS=wasip1", "GOARCH=wasm"}, "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", filepath.Join(dir, "redact.wasm"), "github.com/sidegate/sidegate/plugins/redact")
	return o
}

func TestSoak(t *testing.T) {
	o := build(t)
	var lines bytes.Buffer
	r, err := run(t.Context(), o, &lines)
	if err != nil {
		t.Fatalf("%v\n%s", err, &lines)
	}
	var text bytes.Buffer
	if err := r.print(&text); err != nil {
		t.Fatal(err)
	}
	if len(r.Wrong) > 0 {
		t.Errorf("%s%s", &lines, &text)
	}
	for _, load := range (&site{}).loads() {
		if r.Counts[load.name].Done == 0 {
			t.Errorf("%s: it was never done", load.name)
		}
	}
	if !strings.Contains(lines.String(), "calls") || !strings.Contains(text.String(), "all is as it must be") {
		t.Errorf("%s%s", &lines, &text)
	}
}

func TestGrowth(t *testing.T) {
	var flat, leaking []sample
	for i := range 900 {
		busy := float64(i%7) * 3
		flat = append(flat, sample{ResidentMiB: 200 + busy, Descriptors: 300 + i%7, Goroutines: 90 + i%11})
		leaking = append(leaking, sample{ResidentMiB: 100 + busy + float64(i)/8, Descriptors: 300 + i/5, Goroutines: 90 + i/4})
	}
	for _, g := range growths(flat, time.Hour) {
		if g.grew() {
			t.Errorf("it does not grow: %+v", g)
		}
	}
	for _, g := range growths(leaking, time.Hour) {
		if !g.grew() {
			t.Errorf("it grows: %+v", g)
		}
	}
}

// TestTally: errors are counted as what they are, and the first of them are kept.
func TestTally(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	n := 0
	tally := newTally()
	tally.start(ctx, []load{{"some", 1, 0, func(context.Context) error {
		n++
		switch {
		case n == 60:
			stop()
		case n%2 == 0:
			return errors.New("wrong")
		case n == 1:
			return errBusy
		case n == 3:
			return fmt.Errorf("a call: %w", errSlow)
		}
		return nil
	}}}).Wait()
	counts, first := tally.read()
	if want := (count{Done: 29, Busy: 1, Slow: 1, Wrong: 29}); counts["some"] != want || tally.total() != want {
		t.Errorf("%+v, want %+v", counts["some"], want)
	}
	if len(first) != 20 || first[0] != "some: wrong" {
		t.Errorf("%q", first)
	}
}

// TestSwap: each swap makes another module, and none grows.
func TestSwap(t *testing.T) {
	s := &site{dir: t.TempDir()}
	module := []byte("\x00asm\x01\x00\x00\x00 and so on")
	if err := os.WriteFile(s.moduleFile(), module, 0o600); err != nil {
		t.Fatal(err)
	}
	var seen [][]byte
	for range 3 {
		if err := s.swapModule(t.Context()); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(s.moduleFile())
		if err != nil {
			t.Fatal(err)
		}
		if len(text) != len(module)+15 || !bytes.HasPrefix(text, module) || slices.ContainsFunc(seen, func(old []byte) bool { return bytes.Equal(old, text) }) {
			t.Errorf("%q", text)
		}
		seen = append(seen, text)
	}
}
