package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// groups lists the groups that a Tree has in the kernel.
func groups(t testing.TB, tree *Tree) (names []string) {
	t.Helper()
	for _, p := range tree.places {
		found, err := directories(p.dir)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestReuseBeginsClean(t *testing.T) {
	t.Parallel()
	tree := openTree(t, nil)
	needs(t, "memory limit", tree.Support().Memory)
	needs(t, "limit of processes", tree.Support().PIDs)

	first := makeGroup(t, tree, Limits{Memory: 64 << 20, PIDs: 24})
	name := first.slot.name
	run(t, first, "exec 2>/dev/null; for i in 1 2 3 4 5; do for j in 1 2 3 4 5; do sleep 0.1 & done; done")
	soon(t, "nothing counted", func() bool {
		n, err := first.slot.pids.current.number()
		return n == 0 && err == nil
	})
	if state := run(t, first, allocation(t, 128)); signalOf(t, state) != syscall.SIGKILL {
		t.Errorf("128 MiB of 64: %v", state)
	}
	oom, err := first.OOM()
	refused, err2 := first.PIDsRefused()
	if !oom || !refused || err != nil || err2 != nil {
		t.Errorf("OOM = %v, %v, PIDsRefused = %v, %v", oom, err, refused, err2)
	}
	giveBack(t, first)

	second := makeGroup(t, tree, Limits{})
	if second.slot.name != name {
		t.Errorf("group %s is not used again", name)
	}
	oom, err = second.OOM()
	refused, err2 = second.PIDsRefused()
	if oom || refused || err != nil || err2 != nil {
		t.Errorf("used again: OOM = %v, %v, PIDsRefused = %v, %v", oom, err, refused, err2)
	}
	if peak, known := second.Peak(); known && peak > 32<<20 {
		t.Errorf("used again: the peak is %d", peak)
	}
	if state := run(t, second, allocation(t, 128)); !state.Success() {
		t.Errorf("used again without limits: %v", state)
	}
	if _, err := first.OOM(); !errors.Is(err, ErrClosed) {
		t.Errorf("OOM after Close: %v", err)
	}
	giveBack(t, second)
}

// TestCooling gives a group back whose process has ended and was not waited for.
func TestCooling(t *testing.T) {
	t.Parallel()
	tree := openTree(t, nil)
	needs(t, "limit of processes", tree.Support().PIDs)

	first := makeGroup(t, tree, Limits{})
	name := first.slot.name
	cmd := start(t, first, "exit 0")
	if err := first.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	giveBack(t, first)
	second := makeGroup(t, tree, Limits{})
	if second.slot.name == name {
		t.Error("a group that counts a zombie was used again")
	}
	finish(t, cmd)
	third := makeGroup(t, tree, Limits{})
	if third.slot.name != name {
		t.Errorf("group %s was not used again after its zombie was gone", name)
	}
	giveBack(t, second)
	giveBack(t, third)
}

// TestMemoryLeftBehind has a job leave memory charged to its group, and the next job of the same limit use nearly all of it.
func TestMemoryLeftBehind(t *testing.T) {
	t.Parallel()
	const limit, left, next = 64 << 20, 40, 48
	for _, c := range []struct {
		name, dir, script string
		spoils            bool // the group cannot be used again
	}{
		{"tmpfs", "/dev/shm", "head -c 40M /dev/zero > FILE", true},
		{"unwritten", "", "head -c 40M /dev/zero > FILE", false},
		{"written", "", "head -c 40M /dev/zero > FILE; sync FILE", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tree := openTree(t, nil)
			needs(t, "memory limit", tree.Support().Memory)
			dir := c.dir
			if dir == "" {
				dir = t.TempDir()
			}
			onTmpfs := isTmpfs(t, dir)
			if onTmpfs != c.spoils {
				t.Skipf("%s on a tmpfs: %v", dir, onTmpfs)
			}
			f, err := os.CreateTemp(dir, "cgroup-test-")
			if err != nil {
				t.Skip(err)
			}
			f.Close()
			t.Cleanup(func() { os.Remove(f.Name()) })

			g := makeGroup(t, tree, Limits{Memory: limit})
			name := g.slot.name
			if state := run(t, g, strings.ReplaceAll(c.script, "FILE", f.Name())); !state.Success() {
				t.Fatalf("leaving memory behind: %v", state)
			}
			if c.spoils { // what would happen to a job in this group
				if state := run(t, g, allocation(t, next)); signalOf(t, state) != syscall.SIGKILL {
					t.Errorf("%d MiB next to %d in a tmpfs with a limit of 64: %v", next, left, state)
				}
			}
			giveBack(t, g)
			again := makeGroup(t, tree, Limits{Memory: limit})
			if c.spoils && again.slot.name == name {
				t.Error("the group was used again")
			}
			if state := run(t, again, allocation(t, next)); !state.Success() {
				t.Errorf("the next job, in the same group: %v: %v", again.slot.name == name, state)
			}
			giveBack(t, again)
		})
	}
}

func isTmpfs(t testing.TB, dir string) bool {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Skip(err)
	}
	return st.Type == unix.TMPFS_MAGIC
}

// TestRest is about which rests keep a group from being used for which limits.
func TestRest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rest  rest
		limit int64
		fits  bool
	}{
		{rest{}, 1, true},
		{rest{1 << 20, 1 << 20}, 0, true},
		{rest{1 << 20, 1 << 20}, 16 << 20, true},
		{rest{1 << 20, 1 << 20}, 16<<20 - 1, false},
		{rest{64 << 20, 0}, 64 << 20, true},
		{rest{64<<20 + 1, 0}, 64 << 20, false},
	} {
		if got := c.rest.fits(c.limit); got != c.fits {
			t.Errorf("%+v fits %d: %v", c.rest, c.limit, got)
		}
	}
}

func TestNotEmpty(t *testing.T) {
	t.Parallel()
	tree := openTree(t, nil)
	needs(t, "killing", tree.Support().Kill)
	g := makeGroup(t, tree, Limits{})
	name := g.slot.name
	cmd := start(t, g, "exec sleep 1000")
	if err := g.Close(); !errors.Is(err, ErrPopulated) {
		t.Fatalf("Close of a group with a process: %v", err)
	}
	if err := g.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	other := makeGroup(t, tree, Limits{})
	if other.slot.name == name {
		t.Error("a group with a process was used again")
	}
	bystander := start(t, other, "exec sleep 1000")
	n, err := tree.Sweep(t.Context())
	if n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v", n, err)
	}
	finish(t, cmd)
	if slices.Contains(groups(t, tree), name) {
		t.Error("the group is still there after Sweep")
	}
	if !lives(bystander.Process.Pid) {
		t.Error("Sweep has killed in a group that is in use")
	}
	if err := other.Kill(0); err != nil {
		t.Error(err)
	}
	finish(t, bystander)
	giveBack(t, other)
}

func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	for _, idle := range []int{0, 2} {
		tree := openTree(t, func(c *Config) { c.Idle = idle })
		needs(t, "killing", tree.Support().Kill)
		var made []*Group
		for range 5 {
			made = append(made, makeGroup(t, tree, Limits{}))
		}
		if n := len(groups(t, tree)); n != 5 {
			t.Errorf("%d groups are in use", n)
		}
		for _, g := range made {
			giveBack(t, g)
		}
		if n := len(groups(t, tree)); n != idle {
			t.Errorf("%d groups are kept, not %d", n, idle)
		}
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
		if _, err := tree.Make(Limits{}); !errors.Is(err, ErrClosed) {
			t.Errorf("Make after Close: %v", err)
		}
	}
}

// TestGroupsOfTheJob has a job make groups in its own, as one with the gateway's rights can.
func TestGroupsOfTheJob(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"plain": "mkdir sub sub/sub; echo 0 > sub/sub/cgroup.procs; exec sleep 1000",
		// Its processes cannot be listed from there.
		"threaded": "mkdir sub sub/sub; for d in sub sub/sub; do echo threaded > $d/cgroup.type; done; echo 0 > sub/sub/cgroup.threads; exec sleep 1000",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree := openTree(t, nil)
			needs(t, "v2", tree.Support().Into)
			g := makeGroup(t, tree, Limits{})
			name := g.slot.name
			dir := filepath.Join(tree.unified.path, tree.config.Name, name)
			cmd := start(t, g, "cd "+dir+"; "+script)
			soon(t, "a process in a group below", func() bool {
				threads, err := os.ReadFile(dir + "/sub/sub/cgroup.threads")
				return err == nil && len(threads) > 0
			})
			if empty, err := g.Empty(); empty || err != nil {
				t.Errorf("Empty = %v, %v", empty, err)
			}
			if err := g.Kill(0); err != nil {
				t.Error(err)
			}
			finish(t, cmd)
			giveBack(t, g)
			if slices.Contains(groups(t, tree), name) {
				t.Error("the group is still there")
			}
		})
	}
}

// TestDescriptors is not parallel: it counts what this process has open.
func TestDescriptors(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := count()
	tree := openTree(t, nil)
	if !tree.Support().Kill.Available {
		t.Skip(tree.Support().Kill.How)
	}
	idle := 0
	for i := range 5 {
		g := makeGroup(t, tree, Limits{})
		if state := run(t, g, "true"); !state.Success() {
			t.Error(state)
		}
		cmd := start(t, g, "exec sleep 1000")
		if i%2 == 0 {
			if err := g.Close(); !errors.Is(err, ErrPopulated) {
				t.Error(err)
			}
			if n, err := tree.Sweep(t.Context()); n != 1 || err != nil {
				t.Errorf("Sweep = %d, %v", n, err)
			}
		} else if err := g.Kill(0); err != nil {
			t.Error(err)
		}
		finish(t, cmd)
		giveBack(t, g)
		if i == 0 {
			idle = count()
		}
	}
	if n := count(); n > idle {
		t.Errorf("%d descriptors are open, %d after the first group", n, idle)
	}
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
	if n := count(); n != before {
		t.Errorf("%d descriptors are open after Close, %d before Open", n, before)
	}
}

// TestManyAtOnce is for the race detector, and for mixed up groups: each job sees its own limit.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	tree := openTree(t, nil)
	needs(t, "limit of processes", tree.Support().PIDs)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			limit := int64(10 + n)
			for range 10 {
				g := makeGroup(t, tree, Limits{PIDs: limit})
				if got, err := readNumber(g, "pids.max"); got != limit || err != nil {
					t.Errorf("the limit is %d, %v and not %d", got, err, limit)
				}
				if state := run(t, g, "true"); !state.Success() {
					t.Error(state)
				}
				if err := g.Kill(0); err != nil {
					t.Error(err)
				}
				giveBack(t, g)
			}
		})
	}
	all.Wait()
	if n := len(groups(t, tree)); n > 2*tree.config.Idle {
		t.Errorf("%d groups are kept", n)
	}
}

func readNumber(g *Group, name string) (int64, error) {
	for _, dir := range g.slot.dirs {
		f, err := openIn(file(dir.Fd()), name, unix.O_RDONLY)
		if err != nil || f == noFile {
			continue
		}
		defer f.close()
		return f.number()
	}
	return 0, os.ErrNotExist
}
