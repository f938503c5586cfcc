package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{
		{Name: "UPPER"}, {Name: "a/b"}, {Name: ".."}, {Name: "memory.max"}, {Name: strings.Repeat("a", 65)}, {Name: "a b"},
		{Root: "relative"}, {Root: "/a/../b"}, {Root: "/a/"}, {Idle: -1},
	} {
		if _, err := Open(c); err == nil {
			t.Errorf("Open(%+v) did not fail", c)
		}
	}
}

func TestNameInUse(t *testing.T) {
	t.Parallel()
	tree := openTree(t, nil)
	needs(t, "killing", tree.Support().Kill)
	again, err := Open(Config{Name: tree.config.Name})
	if !errors.Is(err, ErrInUse) || again != nil {
		t.Errorf("Open with a name in use: %v, %v", again, err)
	}
	if len(tree.places) == 0 {
		t.Fatal("no places")
	}
	makeAndGiveBack(t, tree)
}

func makeAndGiveBack(t testing.TB, tree *Tree) {
	t.Helper()
	giveBack(t, makeGroup(t, tree, Limits{}))
}

func TestNobodysGroup(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	tree := openTree(t, nil)
	needs(t, "killing", tree.Support().Kill)
	for what, spoil := range map[string]func(dir string) error{
		"mode":  func(dir string) error { return os.Chmod(dir, 0o755) },
		"owner": func(dir string) error { return os.Chown(dir, 65534, 65534) },
	} {
		name := fmt.Sprintf("%s-%s", tree.config.Name, what)
		for _, p := range tree.places {
			dir := filepath.Join(p.path, name)
			if err := errors.Join(os.Mkdir(dir, 0o700), spoil(dir)); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Remove(dir) })
		}
		other, err := Open(Config{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		s := other.Support()
		for _, f := range []Feature{s.Kill, s.Into, s.Memory, s.PIDs} {
			if f.Available || !strings.Contains(f.How, "is not this gateway's") {
				t.Errorf("wrong %s: %+v", what, f)
			}
		}
		if _, err := other.Make(Limits{}); !errors.Is(err, ErrUnsupported) {
			t.Errorf("wrong %s: Make: %v", what, err)
		}
		if n, err := other.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("wrong %s: Sweep = %d, %v", what, n, err)
		}
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestUnprivileged(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	kill, into, memory, pids := supportOf(t, func(cmd *exec.Cmd) {
		// The test binary lies where only root can reach it.
		self, err := os.Open(cmd.Path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { self.Close() })
		cmd.ExtraFiles = []*os.File{self}
		cmd.Path = "/proc/self/fd/3"
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	})
	for _, line := range []string{kill, into, memory, pids} {
		if !strings.HasPrefix(line, "false ") || !strings.Contains(line, "belongs to somebody else") {
			t.Error(line)
		}
	}
}

func TestReadOnlyMounts(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	kill, into, memory, pids := supportOf(t, func(cmd *exec.Cmd) {
		script := `for m in $(grep -E ' - cgroup2? ' /proc/self/mountinfo | cut -d' ' -f5); do mount -o bind,remount,ro $m || exit 3; done; exec "$0" "$@"`
		cmd.Args = append([]string{"sh", "-c", script, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	})
	for _, line := range []string{kill, into, memory, pids} {
		if !strings.HasPrefix(line, "false ") || !strings.Contains(line, "is mounted read-only") {
			t.Error(line)
		}
	}
}

// TestCgroupNamespace looks from inside a new cgroup namespace, at mounts made outside and at one made inside.
func TestCgroupNamespace(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	s, err := kernel().survey()
	if err != nil {
		t.Fatal(err)
	}
	own, _, err := s.of(1, memoryController)
	if err != nil || own == "/" {
		t.Skipf("needs a v1 memory hierarchy and a group below its root: %q, %v", own, err)
	}
	const namespace = 0x02000000 // CLONE_NEWCGROUP
	_, _, memory, _ := supportOf(t, func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: namespace}
	})
	if !strings.HasPrefix(memory, "false ") || !strings.Contains(memory, "was mounted outside this process's cgroup namespace") {
		t.Errorf("with the mounts from outside: %s", memory)
	}
	_, _, memory, _ = supportOf(t, func(cmd *exec.Cmd) {
		script := fmt.Sprintf(`mount -t cgroup -o memory cgroup %s || exit 3; exec "$0" "$@"`, t.TempDir())
		cmd.Args = append([]string{"sh", "-c", script, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: namespace | syscall.CLONE_NEWNS}
	})
	if memory != "true v1" {
		t.Errorf("with a mount from inside: %s", memory)
	}
}

func needsRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to change users and mounts")
	}
}
