package cgroup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// helperKey, in the environment, turns the test binary into one of the programs below.
const helperKey = "CGROUP_TEST_HELPER"

var helpers = map[string]func() error{}

func TestMain(m *testing.M) {
	if name := os.Getenv(helperKey); name != "" {
		helper, ok := helpers[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such helper:", name)
			os.Exit(2)
		}
		if err := helper(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var trees atomic.Int64

// openTree opens a Tree of its own for the test, and checks that the test leaves nothing.
func openTree(t testing.TB, change func(*Config)) *Tree {
	t.Helper()
	c := Config{Name: fmt.Sprintf("sidegate-test-%d-%d", os.Getpid(), trees.Add(1)), Idle: 4}
	if change != nil {
		change(&c)
	}
	tree, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
	return tree
}

func needs(t testing.TB, what string, f Feature) {
	t.Helper()
	if !f.Available {
		t.Skipf("no %s here: %s", what, f.How)
	}
}

func makeGroup(t testing.TB, tree *Tree, l Limits) *Group {
	t.Helper()
	g, err := tree.Make(l)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// inGroup is a command that runs a script in the group: born in the v2 group where there is one, and written into the v1 groups by a shell before the
// script begins. The shell's file 3 is closed by then.
func inGroup(g *Group, script string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", "-c", `for fd in $FDS; do echo 0 >&$fd; done; exec 3>&-; exec /bin/sh -c "$0"`, script)
	cmd.ExtraFiles = []*os.File{nil}
	var fds []string
	for i, f := range g.Tasks() {
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		fds = append(fds, strconv.Itoa(4+i))
	}
	cmd.Env = append(os.Environ(), "FDS="+strings.Join(fds, " "))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if dir := g.Dir(); dir != nil {
		cmd.SysProcAttr.UseCgroupFD = true
		cmd.SysProcAttr.CgroupFD = int(dir.Fd())
	}
	return cmd
}

// start starts a script and returns when it is in the group.
func start(t testing.TB, g *Group, script string) *exec.Cmd {
	t.Helper()
	cmd := inGroup(g, script)
	begin(t, cmd)
	return cmd
}

// begin starts what inGroup made and returns when it is in the group.
func begin(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.ExtraFiles[0] = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
}

// run runs a script in the group and returns how it ended.
func run(t testing.TB, g *Group, script string) *os.ProcessState {
	t.Helper()
	return finish(t, start(t, g, script))
}

// finish waits for a command.
func finish(t testing.TB, cmd *exec.Cmd) *os.ProcessState {
	t.Helper()
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return cmd.ProcessState
}

func giveBack(t testing.TB, g *Group) {
	t.Helper()
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

// meeting is a FIFO on which a script says that it has got somewhere: `: > FIFO`.
func meeting(t testing.TB) (path string, await func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o622); err != nil {
		t.Fatal(err)
	}
	return path, func() {
		t.Helper()
		f, err := os.OpenFile(path, os.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

// soon waits for what the kernel does in its own time.
func soon(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("still not so after 10 s: %s", what)
		}
	}
}
