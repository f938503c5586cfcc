package spawn

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Each step fails by its name, with the kernel's reason, and leaves nothing behind.
func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, s *Spec)
		step   Step
		err    error
	}{
		{"no argv", func(t *testing.T, s *Spec) { s.Argv = nil }, StepSpec, unix.EINVAL},
		{"no executable", func(t *testing.T, s *Spec) { s.Executable = nil }, StepSpec, unix.EINVAL},
		{"missing stdio", func(t *testing.T, s *Spec) { s.Stdio[1] = nil }, StepSpec, unix.EINVAL},
		{"missing tasks", func(t *testing.T, s *Spec) { s.Tasks = []*os.File{nil} }, StepSpec, unix.EINVAL},
		{"user -1", func(t *testing.T, s *Spec) { s.Identity = &Identity{UID: noID} }, StepSpec, unix.EINVAL},
		{"group -1", func(t *testing.T, s *Spec) { s.Identity = &Identity{GID: noID} }, StepSpec, unix.EINVAL},
		{"long filter", func(t *testing.T, s *Spec) { s.Filter = make([]unix.SockFilter, 1<<16+1) }, StepSpec, unix.EINVAL},
		{"empty filter", func(t *testing.T, s *Spec) { s.Filter = []unix.SockFilter{} }, StepSpec, unix.EINVAL},
		{"hidden on the host", func(t *testing.T, s *Spec) { s.Namespaces = &Namespaces{Hidden: []string{"/run"}} }, StepSpec, unix.EINVAL},
		{"proc on the host", func(t *testing.T, s *Spec) { s.Namespaces = &Namespaces{PID: true, Proc: true} }, StepSpec, unix.EINVAL},
		{"proc of the host", func(t *testing.T, s *Spec) {
			s.Namespaces = &Namespaces{Mount: true, Proc: true, Workdir: "/"}
		}, StepSpec, unix.EINVAL},
		{"mounts without workdir", func(t *testing.T, s *Spec) { s.Namespaces = &Namespaces{Mount: true} }, StepSpec, unix.EINVAL},
		{"relative workdir", func(t *testing.T, s *Spec) { s.Namespaces = &Namespaces{Mount: true, Workdir: "tmp"} }, StepSpec, unix.EINVAL},
		{"unclean hidden", func(t *testing.T, s *Spec) {
			s.Namespaces = &Namespaces{Mount: true, Workdir: "/", Hidden: []string{"/tmp/../run"}}
		}, StepSpec, unix.EINVAL},
		{"rights without ruleset", func(t *testing.T, s *Spec) {
			s.Namespaces = &Namespaces{PID: true, Mount: true, Proc: true, Workdir: "/", ProcRights: 1}
		}, StepSpec, unix.EINVAL},
		{"two networks", func(t *testing.T, s *Spec) { s.Namespaces = &Namespaces{Network: s.Dir, NewNetwork: true} }, StepSpec, unix.EINVAL},

		{"cgroup is none", func(t *testing.T, s *Spec) { s.Cgroup = s.Dir }, StepClone, unix.EBADF},
		{"cgroup closed", func(t *testing.T, s *Spec) { s.Cgroup = closed(t) }, StepClone, unix.EBADF},
		{"tasks closed", func(t *testing.T, s *Spec) { s.Tasks = []*os.File{closed(t)} }, StepTasks, unix.EBADF},
		{"tasks read-only", func(t *testing.T, s *Spec) { s.Tasks = []*os.File{open(t, os.DevNull, unix.O_RDONLY)} }, StepTasks, unix.EBADF},
		{"tasks full", func(t *testing.T, s *Spec) { s.Tasks = []*os.File{open(t, "/dev/full", unix.O_WRONLY)} }, StepTasks, unix.ENOSPC},
		{"network closed", func(t *testing.T, s *Spec) { s.Namespaces = &Namespaces{Network: closed(t)} }, StepNetwork, unix.EBADF},
		{"network is none", func(t *testing.T, s *Spec) {
			s.Namespaces = &Namespaces{Network: open(t, "/etc/passwd", unix.O_RDONLY)}
		}, StepNetwork, unix.EINVAL},
		{"stdio closed", func(t *testing.T, s *Spec) { s.Stdio[2] = closed(t) }, StepStdio, unix.EBADF},
		{"dir closed", func(t *testing.T, s *Spec) { s.Dir = closed(t) }, StepDir, unix.EBADF},
		{"dir is a file", func(t *testing.T, s *Spec) { s.Dir = open(t, "/etc/passwd", unix.O_PATH) }, StepDir, unix.ENOTDIR},
		{"soft limit above hard", func(t *testing.T, s *Spec) { s.Rlimits = []Rlimit{{unix.RLIMIT_CORE, 2, 1}} }, StepRlimits, unix.EINVAL},
		{"hard limit above the system's", func(t *testing.T, s *Spec) {
			s.Rlimits = []Rlimit{{unix.RLIMIT_NOFILE, 10, 1 << 40}} // fs.nr_open, which no capability lifts
		}, StepRlimits, unix.EPERM},
		{"unknown limit", func(t *testing.T, s *Spec) { s.Rlimits = []Rlimit{{99, 1, 1}} }, StepRlimits, unix.EINVAL},
		{"negative limit", func(t *testing.T, s *Spec) { s.Rlimits = []Rlimit{{-1, 1, 1}} }, StepRlimits, unix.EINVAL},
		{"ruleset closed", func(t *testing.T, s *Spec) { s.Landlock = closed(t) }, StepLandlock, unix.EBADF},
		{"ruleset is none", func(t *testing.T, s *Spec) { s.NoNewPrivs, s.Landlock = true, s.Stdio[0] }, StepLandlock, unix.EBADFD},
		{"filter has no end", func(t *testing.T, s *Spec) {
			s.NoNewPrivs, s.Filter = true, denying(unix.SYS_CHDIR)[:1]
		}, StepSeccomp, unix.EINVAL},
		{"filter denies close_range", func(t *testing.T, s *Spec) {
			s.NoNewPrivs, s.Filter = true, denying(unix.SYS_CLOSE_RANGE)
		}, StepDescriptors, unix.EPERM},
		{"filter denies execveat", func(t *testing.T, s *Spec) {
			s.NoNewPrivs, s.Filter = true, denying(unix.SYS_EXECVEAT)
		}, StepExec, unix.EPERM},
		{"executable closed", func(t *testing.T, s *Spec) { s.Executable = closed(t) }, StepExec, unix.EBADF},
		{"executable is a directory", func(t *testing.T, s *Spec) { s.Executable = s.Dir }, StepExec, unix.EACCES},
		{"executable may not be executed", func(t *testing.T, s *Spec) { s.Executable = newFile(t, "", 0o644) }, StepExec, unix.EACCES},
		{"script", func(t *testing.T, s *Spec) { s.Executable = newFile(t, "#!/bin/sh\n", 0o755) }, StepExec, unix.ENOENT},
		{"text", func(t *testing.T, s *Spec) { s.Executable = newFile(t, "hello\n", 0o755) }, StepExec, unix.ENOEXEC},
		{"argument too long", func(t *testing.T, s *Spec) { s.Argv = append(s.Argv, strings.Repeat("x", 128<<10)) }, StepExec, unix.E2BIG},
		{"arguments too long", func(t *testing.T, s *Spec) {
			for range 100 {
				s.Env = append(s.Env, strings.Repeat("x", 100_000))
			}
		}, StepExec, unix.E2BIG},
		{"NUL in an argument", func(t *testing.T, s *Spec) { s.Argv = append(s.Argv, "a\x00b") }, StepExec, unix.EINVAL},
		{"NUL in the environment", func(t *testing.T, s *Spec) { s.Env = []string{"A=\x00"} }, StepExec, unix.EINVAL},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, start way) {
				s := command(t, "true")
				tc.change(t, s)
				refused(t, start, s, tc.step, tc.err)
			})
		})
	}
}

// What needs rights that the gateway lacks is refused at its step.
func TestErrorsOfUnprivileged(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("is for an unprivileged user; TestUnprivileged runs it as one")
	}
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	bothWays(t, func(t *testing.T, start way) {
		s := command(t, "true")
		s.Identity = &Identity{UID: uid, GID: gid}
		refused(t, start, s, StepIdentity, unix.EPERM)

		s = command(t, "true")
		s.DropCapabilities = true
		refused(t, start, s, StepBoundingSet, unix.EPERM)
		s.NoNewPrivs = true // nothing can be gained through that set now
		fields(t, succeed(t, start, withArgv(t, s, "cat", "/proc/self/status")), map[string]string{"CapEff": "0000000000000000"})

		s = isolated(t, command(t, "true"), "/")
		refused(t, start, s, StepClone, unix.EPERM)

		s = command(t, "true")
		s.Landlock = ruleset(t, programDirs...)
		refused(t, start, s, StepLandlock, unix.EPERM)
		s.Landlock, s.Filter = nil, denying(unix.SYS_CHDIR)
		refused(t, start, s, StepSeccomp, unix.EACCES)

		s = isolated(t, command(t, "true"), "/")
		s.Namespaces.User = &UserMap{UID: uid, GID: gid}
		network := open(t, "/proc/self/ns/net", unix.O_RDONLY)
		asOwnUser(t, start, s).Namespaces.Network = network
		refused(t, start, s, StepNetwork, unix.EPERM)
	})
}

// The user map can hold nobody but the gateway's own user.
func TestErrorsOfUserMap(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		s := command(t, "true")
		s.Namespaces = &Namespaces{}
		asOwnUser(t, start, s)
		s.Namespaces.User = &UserMap{UID: other + 7, GID: other + 7}
		_, err := start(s)
		var e *Error
		if !errors.As(err, &e) || e.Step != StepUserMap || !(errors.Is(err, unix.EPERM) || errors.Is(err, ErrNotDumpable)) {
			t.Errorf("error %v", err)
		}
	})
}

// The errors that mislead are explained.
func TestErrorText(t *testing.T) {
	for _, tc := range []struct {
		err  Error
		want string
	}{
		{Error{StepLandlock, unix.EPERM}, "landlock: operation not permitted"},
		{Error{StepExec, unix.ENOENT}, "exec: no such file or directory (a script, or the loader that the program names does not exist)"},
		{Error{StepExec, unix.ENOEXEC}, "exec: exec format error (not in a format that the kernel executes)"},
		{Error{StepDir, unix.ENOENT}, "working directory: no such file or directory"},
		{Error{99, unix.EIO}, "step 99: input/output error"},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
	for step := StepSpec; step < stepEnd; step++ {
		if step.String() == "" {
			t.Errorf("step %d has no name", uint8(step))
		}
	}
}

// refused starts a child that must not start.
func refused(t *testing.T, start way, s *Spec, step Step, errno error) {
	t.Helper()
	c, err := start(s)
	if err == nil {
		wait(t, c)
	}
	wantError(t, err, step, errno)
	if c.PID != 0 || c.Done != nil {
		t.Errorf("a child %v comes with the error", c)
	}
	noChildren(t)
}

// withArgv is s with another program.
func withArgv(t *testing.T, s *Spec, argv ...string) *Spec {
	t.Helper()
	changed := *s
	with := command(t, argv...)
	changed.Executable, changed.Argv = with.Executable, with.Argv
	return &changed
}

// newFile opens a new file.
func newFile(t *testing.T, text string, mode os.FileMode) *os.File {
	t.Helper()
	return open(t, writeFile(t, filepath.Join(openDir(t), "program"), text, mode), unix.O_PATH)
}
