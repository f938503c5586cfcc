package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ways are the means of killing. All work on this kernel, with what it has left out.
var ways = map[string]func(*Config){
	"cgroup.kill": nil,
	"freezer": func(c *Config) {
		c.host = kernel()
		c.host.kill = func(file) error { return unix.ENOENT }
	},
	"v1": func(c *Config) {
		c.host = kernel()
		mounts := c.host.readMounts
		c.host.readMounts = func() ([]byte, error) {
			text, err := mounts()
			return []byte(strings.ReplaceAll(string(text), " - cgroup2 ", " - other ")), err
		}
	},
}

func eachWay(t *testing.T, test func(t *testing.T, tree *Tree)) {
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree := openTree(t, change)
			needs(t, "killing", tree.Support().Kill)
			if v1 := name == "v1"; tree.Support().Into.Available == v1 {
				t.Skipf("this host has not both: %+v", tree.Support())
			}
			test(t, tree)
		})
	}
}

// hostileTree starts seven processes that ignore SIGTERM, four of which have left the session and their parents, and writes their numbers to a file.
const hostileTree = `
trap '' TERM HUP INT
one='trap "" TERM HUP INT; echo $$ >> DIR/pids; sleep 1000; :'
( setsid sh -c "$one" & )
( setsid sh -c "( setsid sh -c '$one' & ) ; $one" & )
( setsid sh -c "$one" & )
sh -c "$one" &
sh -c "$one" &
echo $$ >> DIR/pids
wait
`

func TestKillTree(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, tree *Tree) {
		dir := t.TempDir()
		g := makeGroup(t, tree, Limits{})
		cmd := start(t, g, strings.ReplaceAll(hostileTree, "DIR", dir))
		var pids []int
		soon(t, "seven processes", func() bool {
			pids = numbers(t, filepath.Join(dir, "pids"))
			return len(pids) == 7
		})
		if empty, err := g.Empty(); empty || err != nil {
			t.Errorf("Empty = %v, %v while the tree runs", empty, err)
		}
		if err := g.Kill(0); err != nil {
			t.Fatal(err)
		}
		for _, pid := range pids {
			if lives(pid) {
				t.Errorf("process %d has survived", pid)
			}
		}
		if empty, err := g.Empty(); !empty || err != nil {
			t.Errorf("Empty = %v, %v after Kill", empty, err)
		}
		finish(t, cmd)
		giveBack(t, g)
	})
}

func TestKillForkBomb(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, tree *Tree) {
		needs(t, "limit of processes", tree.Support().PIDs)
		g := makeGroup(t, tree, Limits{PIDs: 64})
		cmd := start(t, g, "bomb() { trap '' TERM; while :; do bomb & bomb & done; }; bomb 2>/dev/null")
		soon(t, "the limit reached", func() bool {
			refused, err := g.PIDsRefused()
			return refused || err != nil
		})
		if err := g.Kill(0); err != nil {
			t.Fatal(err)
		}
		finish(t, cmd)
		if empty, err := g.Empty(); !empty || err != nil {
			t.Errorf("Empty = %v, %v after Kill", empty, err)
		}
		soon(t, "nothing counted", func() bool {
			n, err := g.slot.pids.current.number()
			return n == 0 && err == nil
		})
		giveBack(t, g)
		// The group can be used again: neither frozen nor without room for processes.
		next := makeGroup(t, tree, Limits{PIDs: 64})
		if state := run(t, next, "/bin/true && /bin/true"); !state.Success() {
			t.Errorf("the next job: %v", state)
		}
		giveBack(t, next)
	})
}

func TestKillGoesNoFurther(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, tree *Tree) {
		fifo, await := meeting(t)
		mine, other := makeGroup(t, tree, Limits{}), makeGroup(t, tree, Limits{})
		bystander := start(t, other, fmt.Sprintf(": > %s; exec sleep 1000", fifo))
		await()
		victim := start(t, mine, "exec sleep 1000")
		if err := mine.Kill(0); err != nil {
			t.Fatal(err)
		}
		finish(t, victim)
		if !lives(bystander.Process.Pid) {
			t.Error("a process of another group was killed")
		}
		giveBack(t, mine)
		if err := mine.Kill(0); !errors.Is(err, ErrClosed) {
			t.Errorf("Kill after Close: %v", err)
		}
		// The same group again, in the hands of somebody else.
		again := makeGroup(t, tree, Limits{})
		if err := mine.Kill(0); !errors.Is(err, ErrClosed) {
			t.Errorf("Kill after Close: %v", err)
		}
		giveBack(t, again)
		if err := other.Kill(0); err != nil {
			t.Error(err)
		}
		finish(t, bystander)
		giveBack(t, other)
	})
}

func TestWait(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, tree *Tree) {
		g := makeGroup(t, tree, Limits{})
		if err := g.Wait(t.Context()); err != nil {
			t.Errorf("Wait for an empty group: %v", err)
		}
		fifo, _ := meeting(t)
		finish(t, start(t, g, fmt.Sprintf("(read x < %s) &", fifo)))
		expired, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := g.Wait(expired); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait while a process runs: %v", err)
		}
		waited := make(chan error)
		go func() { waited <- g.Wait(t.Context()) }()
		f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if err := <-waited; err != nil {
			t.Error(err)
		}
		giveBack(t, g)
	})
}

// numbers reads the numbers that scripts have written, a line each.
func numbers(t testing.TB, name string) (found []int) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, line := range strings.Fields(string(text)) {
		n, err := strconv.Atoi(line)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, n)
	}
	return found
}

// lives tells whether there is a process of the number that has not ended.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	state := string(stat[strings.LastIndexByte(string(stat), ')')+2])
	return state != "Z" && state != "X"
}
