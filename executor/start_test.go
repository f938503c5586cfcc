package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// refused runs a job that must not start, and returns the error.
func refused(t *testing.T, r *Runner, job Job, step string) error {
	t.Helper()
	_, err := r.Run(t.Context(), job)
	var start *StartError
	if !errors.As(err, &start) || start.Step != step {
		t.Fatalf("got %v, want a StartError of step %s", err, step)
	}
	nothingLeft(t, r, job.ID)
	return err
}

func TestIncompleteJob(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	for _, tc := range []struct {
		change func(*Job)
		want   string
	}{
		{func(j *Job) { j.ID = "" }, "job ID has 0 bytes"},
		{func(j *Job) { j.ID = strings.Repeat("x", 129) }, "job ID has 129 bytes"},
		{func(j *Job) { j.ID = "a/b" }, "not a letter"},
		{func(j *Job) { j.ID = "a\x00b" }, "not a letter"},
		{func(j *Job) { j.Argv = nil }, "argv is empty"},
		{func(j *Job) { j.Argv = []string{"x", "a\x00b"} }, "argv[1] holds a NUL"},
		{func(j *Job) { j.Program = Program{} }, "no identity"},
		{func(j *Job) { j.Program.Ino = 0 }, "no identity"},
		{func(j *Job) { j.Program.Path = "true" }, "not absolute"},
		{func(j *Job) { j.Program.Path = "/usr/../bin/true" }, "not absolute and clean"},
		{func(j *Job) { j.Workdir = "tmp" }, "not absolute"},
		{func(j *Job) { j.Workdir = "/tmp/" }, "not absolute and clean"},
		{func(j *Job) { j.Workdir = "/tmp/.." }, "not absolute and clean"},
		{func(j *Job) { j.Env = []string{"NOVALUE"} }, "env[0] is not KEY=value"},
		{func(j *Job) { j.Env = []string{"=x"} }, "env[0] is not KEY=value"},
		{func(j *Job) { j.Env = []string{"A=a\x00B=b"} }, "env[0] is not KEY=value"},
		{func(j *Job) { j.Env = []string{"A=1", "A=2"} }, `env key "A" is given twice`},
		{func(j *Job) { j.Profile = "" }, `profile "" is unknown`},
		{func(j *Job) { j.Profile = "root" }, `profile "root" is unknown`},
		{func(j *Job) { j.Network = "some" }, `network "some" is unknown`},
		{func(j *Job) { j.Timeout = 0 }, "timeout 0s is not positive"},
		{func(j *Job) { j.Timeout = -1 }, "not positive"},
		{func(j *Job) { j.MaxOutput = 0 }, "max output 0"},
		{func(j *Job) { j.MaxOutput = 1<<30 + 1 }, "max output"},
		{func(j *Job) { j.Limits.Memory = -1 }, "a limit is negative"},
	} {
		job := command(t, "true")
		tc.change(&job)
		if err := refused(t, r, job, StepJob); !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %q in it", err, tc.want)
		}
	}
}

func TestProgramRefused(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	dir := openDir(t)
	path := filepath.Join(dir, "program")

	t.Run("replaced", func(t *testing.T) {
		writeProgram(t, path, "#!/bin/sh\necho good\n")
		job := command(t, "true")
		job.Program = identify(t, path)
		other := filepath.Join(dir, "other")
		writeProgram(t, other, "#!/bin/sh\necho evil\n")
		if err := os.Rename(other, path); err != nil {
			t.Fatal(err)
		}
		if err := refused(t, r, job, StepProgram); !errors.Is(err, ErrReplaced) {
			t.Error(err)
		}
	})
	t.Run("replaced by a link to itself", func(t *testing.T) {
		real := filepath.Join(dir, "real")
		writeProgram(t, real, "#!/bin/sh\n")
		job := command(t, "true")
		job.Program = identify(t, real)
		job.Program.Path = filepath.Join(dir, "link")
		if err := os.Symlink(real, job.Program.Path); err != nil {
			t.Fatal(err)
		}
		if err := refused(t, r, job, StepProgram); !errors.Is(err, syscall.ELOOP) {
			t.Error(err)
		}
	})
	t.Run("removed", func(t *testing.T) {
		gone := filepath.Join(dir, "gone")
		writeProgram(t, gone, "#!/bin/sh\n")
		job := command(t, "true")
		job.Program = identify(t, gone)
		if err := os.Remove(gone); err != nil {
			t.Fatal(err)
		}
		if err := refused(t, r, job, StepProgram); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
	t.Run("not executable", func(t *testing.T) {
		plain := filepath.Join(dir, "plain")
		if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		job := command(t, "true")
		job.Program = identify(t, plain)
		if err := refused(t, r, job, StepProgram); !errors.Is(err, ErrNotExecutable) {
			t.Error(err)
		}
	})
	t.Run("a directory", func(t *testing.T) {
		job := command(t, "true")
		job.Program = identify(t, dir)
		if err := refused(t, r, job, StepProgram); !errors.Is(err, ErrNotExecutable) {
			t.Error(err)
		}
	})
	t.Run("no format", func(t *testing.T) {
		text := filepath.Join(dir, "text")
		writeProgram(t, text, "echo a shell would run this\n")
		job := command(t, "true")
		job.Program = identify(t, text)
		if err := refused(t, r, job, StepStart); !errors.Is(err, ErrFormat) || !errors.Is(err, syscall.ENOEXEC) {
			t.Error(err)
		}
	})
	t.Run("no interpreter", func(t *testing.T) {
		orphan := filepath.Join(dir, "orphan")
		writeProgram(t, orphan, "#!/no/such/interpreter\n")
		job := command(t, "true")
		job.Program = identify(t, orphan)
		if err := refused(t, r, job, StepProgram); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "interpreter") {
			t.Error(err)
		}
	})
	t.Run("too many arguments", func(t *testing.T) {
		job := command(t, "true")
		job.Argv = append(job.Argv, strings.Repeat("x", 1<<20))
		if err := refused(t, r, job, StepStart); !errors.Is(err, syscall.E2BIG) {
			t.Error(err)
		}
	})
}

func TestScriptRuns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(openDir(t), "script")
	writeProgram(t, path, "#!/bin/sh\necho \"ran $1\"\nexit 3\n")
	job := command(t, "true")
	job.Program = identify(t, path)
	job.Argv = []string{"script", "well"}
	if res := run(t, newRunner(t, nil), job); string(res.Stdout) != "ran well\n" || res.ExitCode != 3 {
		t.Errorf("got %q, %d", res.Stdout, res.ExitCode)
	}
}

func TestWorkdir(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	top := openDir(t)
	dir := filepath.Join(top, "a", "b")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	job := command(t, "stat", "-c", "%i", ".")
	job.Workdir = dir

	if res, want := run(t, r, job), fmt.Sprintln(identify(t, dir).Ino); string(res.Stdout) != want {
		t.Errorf("started in inode %s, want %s", res.Stdout, want)
	}

	// Between the decision and the start, somebody puts a symbolic link in its place: as the last component, or in the middle.
	moved := filepath.Join(top, "moved")
	for _, swapped := range []string{dir, filepath.Dir(dir)} {
		if err := os.Rename(swapped, moved); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(moved, swapped); err != nil {
			t.Fatal(err)
		}
		if err := refused(t, r, job, StepWorkdir); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("swapped %s: %v", swapped, err)
		}
		if err := os.Remove(swapped); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(moved, swapped); err != nil {
			t.Fatal(err)
		}
	}

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, r, job, StepWorkdir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
	if err := os.WriteFile(dir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, r, job, StepWorkdir); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
}

// A link that appears after the directory was opened changes nothing: the child goes through the descriptor.
func TestWorkdirSwappedAfterOpening(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	top := openDir(t)
	dir, evil := filepath.Join(top, "good"), filepath.Join(top, "evil")
	for _, d := range []string{dir, evil} {
		if err := os.Mkdir(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	job := command(t, "touch", "here")
	job.Workdir = dir
	l := &launching{runner: r, job: &job, holds: r.support(job.Profile)}
	defer l.close()
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, filepath.Join(top, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(evil, dir); err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	c, err := r.sandbox.start(l.spec(null, null, null))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Done.Close()
	if ws, _, err := collect(c.PID); err != nil || ws.ExitStatus() != 0 {
		t.Fatalf("touch: %v, %v", ws, err)
	}
	if _, err := os.Stat(filepath.Join(top, "elsewhere", "here")); err != nil {
		t.Error(err)
	}
}

func TestPrivateDirectory(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	res := run(t, r, script(t, `
		[ "$PWD" = "$HOME" ] && [ "$PWD" = "$TMPDIR" ] && [ "$(pwd -P)" = "$HOME" ] || exit 1
		ls -A; stat -c %a .
		mkdir -p a/b/c && echo x > a/b/c/file && ln -s /etc a/link && chmod 000 a/b/c a/b a .`))
	if string(res.Stdout) != "700\n" || res.ExitCode != 0 {
		t.Errorf("got %q %q, code %d", res.Stdout, res.Stderr, res.ExitCode)
	}
	if _, err := os.Stat("/etc/passwd"); err != nil {
		t.Errorf("a link was followed: %v", err)
	}
}

// The private directories of an earlier gateway stay until somebody asks for their removal: its processes may still work in them.
func TestRemoveLeftovers(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	for _, dir := range []string{"job-1", "job-2/home/sub"} {
		if err := os.MkdirAll(filepath.Join(r.config.WorkRoot, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(r.config.WorkRoot, "job-2/home/sub"), 0); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(r.config.WorkRoot, "not-ours")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	next, err := New(r.config)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	own, err := next.openWorkdir(&Job{Profile: ProfileHost}, identity{}) // as of a job that runs already
	if err != nil {
		t.Fatal(err)
	}
	defer own.close(next.privates, true)
	wantEntries(t, r.config.WorkRoot, filepath.Base(filepath.Dir(own.home())), "job-1", "job-2", "not-ours")
	for range 2 { // the second call finds nothing to do
		if err := next.RemoveLeftovers(); err != nil {
			t.Fatal(err)
		}
		wantEntries(t, r.config.WorkRoot, filepath.Base(filepath.Dir(own.home())), "not-ours")
	}
}

func wantEntries(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// What could not be removed is told, and removed by a later call.
func TestRemoveLeftoversTriesAgain(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	r := newRunner(t, nil)
	busy := filepath.Join(r.config.WorkRoot, "job-busy")
	if err := os.Mkdir(busy, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", busy, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot mount (this needs CAP_SYS_ADMIN): %v", err)
	}
	next, err := New(r.config)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	err = next.RemoveLeftovers()
	if unmount := syscall.Unmount(busy, 0); unmount != nil {
		t.Fatal(unmount)
	}
	if !errors.Is(err, syscall.EBUSY) {
		t.Fatalf("got %v, want EBUSY", err)
	}
	if err := next.RemoveLeftovers(); err != nil {
		t.Error(err)
	}
	wantEntries(t, r.config.WorkRoot)
}
