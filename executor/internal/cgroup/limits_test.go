package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func signalOf(t testing.TB, code interface{ Sys() any }) syscall.Signal {
	t.Helper()
	ws := code.Sys().(syscall.WaitStatus)
	if !ws.Signaled() {
		return 0
	}
	return ws.Signal()
}

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	tree := openTree(t, nil)
	needs(t, "memory limit", tree.Support().Memory)

	g := makeGroup(t, tree, Limits{Memory: 64 << 20})
	if state := run(t, g, allocation(t, 32)); !state.Success() {
		t.Errorf("32 MiB of 64: %v", state)
	}
	if oom, err := g.OOM(); oom || err != nil {
		t.Errorf("after 32 MiB of 64: OOM = %v, %v", oom, err)
	}
	if peak, known := g.Peak(); known && (peak < 32<<20 || peak > 64<<20) {
		t.Errorf("peak of 32 MiB is %d", peak)
	}
	if state := run(t, g, allocation(t, 128)); signalOf(t, state) != syscall.SIGKILL {
		t.Errorf("128 MiB of 64: %v", state)
	}
	if oom, err := g.OOM(); !oom || err != nil {
		t.Errorf("after 128 MiB of 64: OOM = %v, %v", oom, err)
	}
	giveBack(t, g)
}

func TestNoMemoryLimit(t *testing.T) {
	t.Parallel()
	tree := openTree(t, func(c *Config) { c.Idle = 1 })
	needs(t, "memory limit", tree.Support().Memory)
	// The same group, first with a limit, then without, then with one again.
	for _, limit := range []int64{64 << 20, 0, 64 << 20, 256 << 20} {
		g := makeGroup(t, tree, Limits{Memory: limit})
		state := run(t, g, allocation(t, 128))
		if killed := signalOf(t, state) == syscall.SIGKILL; killed != (limit == 64<<20) {
			t.Errorf("128 MiB with limit %d: %v", limit, state)
		}
		giveBack(t, g)
	}
}

func TestPIDsLimit(t *testing.T) {
	t.Parallel()
	tree := openTree(t, nil)
	needs(t, "limit of processes", tree.Support().PIDs)

	g := makeGroup(t, tree, Limits{PIDs: 8})
	if state := run(t, g, "for i in 1 2 3 4; do sleep 0 & done; wait"); !state.Success() {
		t.Errorf("4 children of 8: %v", state)
	}
	if refused, err := g.PIDsRefused(); refused || err != nil {
		t.Errorf("after 4 children of 8: refused = %v, %v", refused, err)
	}
	cmd := inGroup(g, "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done")
	file := filepath.Join(t.TempDir(), "said")
	var err error
	if cmd.Stderr, err = os.Create(file); err != nil {
		t.Fatal(err)
	}
	begin(t, cmd)
	soon(t, "a refused fork, of which the shell tells", func() bool {
		refused, err := g.PIDsRefused()
		if err != nil {
			t.Fatal(err)
		}
		said, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return refused && strings.Contains(strings.ToLower(string(said)), "fork")
	})
	if err := g.Kill(0); err != nil {
		t.Error(err)
	}
	finish(t, cmd)
	giveBack(t, g)
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	tree := openTree(t, nil)
	for _, l := range []Limits{{Memory: -1}, {PIDs: -1}} {
		if _, err := tree.Make(l); err == nil {
			t.Errorf("Make(%+v) did not fail", l)
		}
	}
}
