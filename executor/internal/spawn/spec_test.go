package spawn

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// No field: what every child gets. The gateway's own state is made as unlike as possible first.
func TestNothingInherited(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		signal.Ignore(unix.SIGUSR1, unix.SIGPIPE)
		defer signal.Reset(unix.SIGUSR1, unix.SIGPIPE)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		blocked, old := unix.Sigset_t{Val: [16]uint64{1 << (unix.SIGUSR2 - 1)}}, unix.Sigset_t{}
		if err := unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, &old); err != nil {
			t.Fatal(err)
		}
		defer unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
		leak := open(t, openDir(t), unix.O_PATH)
		if _, err := unix.FcntlInt(leak.Fd(), unix.F_SETFD, 0); err != nil {
			t.Fatal(err)
		}

		text := succeed(t, start, command(t, "cat", "/proc/self/status", "/proc/self/stat"))
		fields(t, text, map[string]string{
			"SigBlk": "0000000000000000", "SigIgn": "0000000000000000", "SigCgt": "0000000000000000", "SigPnd": "0000000000000000",
			"CapAmb": "0000000000000000", "CapInh": "0000000000000000", "NoNewPrivs": "0", "Seccomp": "0", "Threads": "1",
			"PPid": fmt.Sprint(os.Getpid()),
		})
		pid := field(t, text, "Pid")
		if session := field(t, text, "NSsid"); session != pid {
			t.Errorf("session %s, want %s", session, pid)
		}
		if group := field(t, text, "NSpgid"); group != pid {
			t.Errorf("process group %s, want %s", group, pid)
		}

		// ls has its three, and the directory it lists.
		list := strings.Split(strings.TrimSpace(succeed(t, start, command(t, "ls", "/proc/self/fd"))), "\n")
		if !slices.Equal(list, []string{"0", "1", "2", "3"}) {
			t.Errorf("descriptors %q", list)
		}
		if env := succeed(t, start, command(t, "cat", "/proc/self/environ")); env != "PATH=/usr/sbin:/usr/bin:/sbin:/bin\x00" {
			t.Errorf("environment %q", env)
		}
	})
}

func TestArguments(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		s := command(t, "cat", "/proc/self/cmdline", "/proc/self/environ")
		s.Env = []string{"A=\xff\n", "", "B"}
		if got, want := succeed(t, start, s), "cat\x00/proc/self/cmdline\x00/proc/self/environ\x00A=\xff\n\x00\x00B\x00"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		s = command(t, "env")
		s.Env = nil
		if got := succeed(t, start, s); got != "" {
			t.Errorf("environment %q, want none", got)
		}
		// More than a pipe holds.
		s = script(t, `printf %s "${#1} $#"`)
		s.Argv = append(s.Argv, "sh", strings.Repeat("x", 100_000), strings.Repeat("y", 100_000))
		if got := succeed(t, start, s); got != "100000 2" {
			t.Errorf("got %q", got)
		}
	})
}

// The executable is the file that was opened, not what its path has come to mean.
func TestExecutable(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		dir := openDir(t)
		shell, err := filepath.EvalSymlinks("/bin/sh")
		if err != nil {
			t.Skip(err)
		}
		text, err := os.ReadFile(shell)
		if err != nil {
			t.Fatal(err)
		}
		s := script(t, "readlink /proc/$$/exe")
		path := writeFile(t, filepath.Join(dir, "shell"), string(text), 0o755)
		s.Executable = open(t, path, unix.O_PATH)
		if err := os.Rename(path, path+".old"); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, "#!/bin/false\n", 0o755)
		if got := strings.TrimSpace(succeed(t, start, s)); got != path+".old" {
			t.Errorf("executed %s", got)
		}
	})
}

func TestDir(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		dir := openDir(t)
		s := command(t, "readlink", "/proc/self/cwd")
		s.Dir = open(t, dir, unix.O_PATH)
		if got := strings.TrimSpace(succeed(t, start, s)); got != dir {
			t.Errorf("working directory %s, want %s", got, dir)
		}
	})
}

// The working directory is entered with the rights of the command's user.
func TestDirOfIdentity(t *testing.T) {
	needsRoot(t)
	bothWays(t, func(t *testing.T, start way) {
		dir := openDir(t)
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		s := command(t, "true")
		s.Dir = open(t, dir, unix.O_PATH)
		s.Identity = &Identity{UID: other, GID: other}
		refused(t, start, s, StepDir, unix.EACCES)
		s = isolated(t, s, dir)
		refused(t, start, s, StepDir, unix.EACCES)
	})
}

// Each of the three goes to its place.
func TestStdio(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		in, out, errs := scratch(t, "in"), scratch(t, ""), scratch(t, "")
		s := script(t, "cat; echo out; echo err >&2")
		s.Stdio = [3]*os.File{in, out, errs}
		c, err := start(s)
		if err != nil {
			t.Fatal(err)
		}
		wait(t, c)
		if got := contents(t, out) + contents(t, errs); got != "inout\nerr\n" {
			t.Errorf("got %q", got)
		}
	})
}

// The gateway's own descriptors 0, 1 and 2 can be given too, in any order.
func TestStdioExchanged(t *testing.T) {
	for name := range ways(t) {
		t.Run(name, func(t *testing.T) {
			in, out, errs := scratch(t, "in"), scratch(t, ""), scratch(t, "")
			cmd := again("exchange", name)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errs
			if err := cmd.Run(); err != nil {
				t.Fatal(err, contents(t, errs))
			}
			if got, want := contents(t, out)+"/"+contents(t, errs), "errin/out"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// exchange is a gateway that gives its own output as the child's error, and the other way round.
func exchange(name string) error {
	start := Vfork
	if name == "helper" {
		start = (&Helper{}).Start
	}
	shell, err := os.Open("/bin/sh")
	if err != nil {
		return err
	}
	c, err := start(&Spec{
		Executable: shell,
		Argv:       []string{"sh", "-c", "printf err >&2; printf out; cat >&2"},
		Env:        []string{"PATH=/usr/bin:/bin"},
		Stdio:      [3]*os.File{os.Stdin, os.Stderr, os.Stdout},
	})
	if err != nil {
		return err
	}
	_, err = syscall.Wait4(c.PID, nil, 0, nil)
	return err
}

// scratch returns a file with that text, to be read or to be appended to.
func scratch(t testing.TB, text string) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(openDir(t), "file"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		t.Fatal(err)
	}
	return f
}

func contents(t testing.TB, f *os.File) string {
	t.Helper()
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRlimits(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		// Small enough to hurt a runtime that lived under them, and given in an order that limits descriptors first.
		s := command(t, "cat", "/proc/self/limits")
		s.Rlimits = []Rlimit{
			{unix.RLIMIT_NOFILE, 10, 11}, {unix.RLIMIT_AS, 64 << 20, 65 << 20}, {unix.RLIMIT_FSIZE, 0, 0}, {unix.RLIMIT_NPROC, 7, 8},
			{unix.RLIMIT_CPU, 5, 6}, {unix.RLIMIT_CORE, 0, 0}, {unix.RLIMIT_DATA, 32 << 20, 33 << 20},
		}
		text := succeed(t, start, s)
		for name, want := range map[string][2]string{
			"Max open files": {"10", "11"}, "Max address space": {"67108864", "68157440"}, "Max file size": {"0", "0"},
			"Max processes": {"7", "8"}, "Max cpu time": {"5", "6"}, "Max core file size": {"0", "0"}, "Max data size": {"33554432", "34603008"},
		} {
			if got := limit(t, text, name); got != want {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}

		// Unless asked for, the gateway's own limit on open files, which Go has raised, is not passed on.
		var own unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil {
			t.Fatal(err)
		}
		want := [2]string{fmt.Sprint(min(1024, own.Max)), fmt.Sprint(own.Max)}
		if got := limit(t, succeed(t, start, command(t, "cat", "/proc/self/limits")), "Max open files"); got != want {
			t.Errorf("open files: %v, want %v", got, want)
		}
	})
}

// limit finds the soft and the hard limit in /proc/PID/limits.
func limit(t testing.TB, text, name string) (limit [2]string) {
	t.Helper()
	_, rest, found := strings.Cut(text, name+" ")
	values := strings.Fields(rest)
	if !found || len(values) < 2 {
		t.Fatalf("no limit %q in\n%s", name, text)
	}
	return [2]string(values[:2])
}

func TestIdentity(t *testing.T) {
	needsRoot(t)
	bothWays(t, func(t *testing.T, start way) {
		s := command(t, "cat", "/proc/self/status")
		s.Identity = &Identity{UID: other, GID: other + 1, Groups: []uint32{7, 5}}
		fields(t, succeed(t, start, s), map[string]string{
			"Uid": "61234 61234 61234 61234", "Gid": "61235 61235 61235 61235", "Groups": "5 7",
		})
		s.Identity = &Identity{UID: other, GID: other}
		fields(t, succeed(t, start, s), map[string]string{"Groups": "", "Gid": "61234 61234 61234 61234"})
	})
}

// A child of root that stays root has all of root's capabilities, unless they are taken.
func TestDropCapabilities(t *testing.T) {
	needsRoot(t)
	const none = "0000000000000000"
	all := map[string]string{"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none}
	bothWays(t, func(t *testing.T, start way) {
		s := command(t, "cat", "/proc/self/status")
		if got := field(t, succeed(t, start, s), "CapEff"); got == none {
			t.Errorf("capabilities %s were taken without being asked for", got)
		}
		s.DropCapabilities = true
		fields(t, succeed(t, start, s), all)
		s.Identity = &Identity{UID: other, GID: other}
		fields(t, succeed(t, start, s), all)
	})
}

func TestNoNewPrivs(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		s := command(t, "cat", "/proc/self/status")
		s.NoNewPrivs = true
		fields(t, succeed(t, start, s), map[string]string{"NoNewPrivs": "1"})
	})
}

func TestLandlock(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		dir := openDir(t)
		writeFile(t, filepath.Join(dir, "secret"), "x", 0o644)
		s := script(t, "cat /etc/passwd && ! cat "+dir+"/secret && echo; test -e "+dir+"/secret")
		s.NoNewPrivs = true
		s.Landlock = ruleset(t, programDirs...)
		if got := succeed(t, start, s); !strings.Contains(got, "secret: Permission denied") {
			t.Errorf("got %q", got)
		}
		s = command(t, "cat", "/etc/passwd")
		s.NoNewPrivs = true
		s.Landlock = ruleset(t)
		c, err := start(s)
		if err == nil {
			wait(t, c)
		}
		wantError(t, err, StepExec, unix.EACCES)
	})
}

func TestFilter(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		s := script(t, "echo x; cd /usr; cat /proc/$$/status")
		s.NoNewPrivs = true
		s.Filter = denying(unix.SYS_CHDIR)
		text := succeed(t, start, s)
		if !strings.Contains(text, "can't cd") && !strings.Contains(text, "not permitted") {
			t.Errorf("got %q", text)
		}
		fields(t, text, map[string]string{"Seccomp": "2"})
	})
}

func TestTasks(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		dir := newCgroup(t, "/sys/fs/cgroup/pids", unix.CGROUP_SUPER_MAGIC)
		s := command(t, "cat", "/proc/self/cgroup")
		s.Tasks = []*os.File{open(t, filepath.Join(dir, "tasks"), unix.O_WRONLY)}
		if got := succeed(t, start, s); !strings.Contains(got, ":pids:/"+filepath.Base(dir)+"\n") {
			t.Errorf("cgroups:\n%s", got)
		}
	})
}

func TestCgroup(t *testing.T) {
	mount := "/sys/fs/cgroup"
	if _, err := os.Stat(mount + "/unified"); err == nil {
		mount += "/unified"
	}
	bothWays(t, func(t *testing.T, start way) {
		dir := newCgroup(t, mount, unix.CGROUP2_SUPER_MAGIC)
		signal.Ignore(unix.SIGUSR1, unix.SIGPIPE)
		defer signal.Reset(unix.SIGUSR1, unix.SIGPIPE)
		s := command(t, "cat", "/proc/self/cgroup", "/proc/self/status")
		s.Cgroup = open(t, dir, unix.O_PATH|unix.O_DIRECTORY)
		got := succeed(t, start, s)
		if !strings.Contains(got, "/"+filepath.Base(dir)+"\n") {
			t.Errorf("cgroups:\n%s", got)
		}
		fields(t, got, map[string]string{"SigBlk": "0000000000000000", "SigIgn": "0000000000000000", "SigCgt": "0000000000000000"})
	})
}

// A shell without job control, and nohup, start a gateway with signals ignored. Go leaves those that stop a process as they are.
func TestIgnoredAtStart(t *testing.T) {
	needsRoot(t)
	cmd := again("gateway", "-test.run", "^(TestCgroup|TestNothingInherited)$", "-test.v")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = append([]string{"sh", "-c", `trap "" TSTP TTIN HUP && exec "$@"`, "sh", self}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestCgroup/vfork") {
		t.Errorf("%v\n%s", err, out)
	}
}

// Everything that confines a child of a gateway without privileges works for one that has none.
func TestUnprivileged(t *testing.T) {
	needsRoot(t)
	cmd := again("gateway", "-test.run", "^(TestNothing|TestA|TestExecutable|TestDir|TestStdio$|TestR|TestNo|TestLand|TestFilter|TestU|TestErrors|TestUser)", "-test.v")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: other, Gid: other}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"TestLandlock/helper", "TestUserNamespace/helper"} {
		if !strings.Contains(string(out), "--- PASS: "+name) {
			t.Errorf("%s did not pass:\n%s", name, out)
		}
	}
}
