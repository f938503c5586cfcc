package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestExit(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	for _, tc := range []struct {
		script string
		status Status
		code   int
		signal string
	}{
		{"exit 0", StatusExited, 0, ""},
		{"exit 1", StatusExited, 1, ""},
		{"exit 2", StatusExited, 2, ""},
		{"exit 126", StatusExited, 126, ""},
		{"exit 127", StatusExited, 127, ""},
		{"exit 255", StatusExited, 255, ""},
		{"kill -SEGV $$", StatusSignaled, 139, "SIGSEGV"},
		{"kill -KILL $$", StatusSignaled, 137, "SIGKILL"},
		{"kill -TERM $$", StatusSignaled, 143, "SIGTERM"},
		{"kill -40 $$", StatusSignaled, 168, "SIG40"},
	} {
		res := run(t, r, script(t, tc.script))
		if res.Status != tc.status || res.ExitCode != tc.code || res.Signal != tc.signal {
			t.Errorf("%s: %s, code %d, signal %q; want %s, %d, %q", tc.script, res.Status, res.ExitCode, res.Signal, tc.status, tc.code, tc.signal)
		}
		if res.TimedOut || res.Truncated || res.Survivors || res.Cause != nil {
			t.Errorf("%s: %+v", tc.script, res)
		}
		if res.Started.IsZero() || res.Ended.Before(res.Started) {
			t.Errorf("%s: started %v, ended %v", tc.script, res.Started, res.Ended)
		}
	}
}

func TestArgvIsPassedOnUnchanged(t *testing.T) {
	t.Parallel()
	job := script(t, "")
	job.Argv = []string{"a name of its own", "-c", `printf '%s\n' "$0" "$@"`, "$HOME", "", "*", "a b\nc", "中文"}
	res := run(t, newRunner(t, nil), job)
	if want := "$HOME\n\n*\na b\nc\n中文\n"; string(res.Stdout) != want {
		t.Errorf("got %q, want %q", res.Stdout, want)
	}
}

func TestStdinIsEmpty(t *testing.T) {
	t.Parallel()
	res := run(t, newRunner(t, nil), script(t, `cat; readlink /proc/self/fd/0`))
	if string(res.Stdout) != "/dev/null\n" {
		t.Errorf("got %q", res.Stdout)
	}
}

func TestEnvironmentIsExact(t *testing.T) {
	t.Setenv("LEAKED_FROM_THE_GATEWAY", "1")
	r := newRunner(t, nil)
	dir := t.TempDir()
	if dir, _ = filepath.EvalSymlinks(dir); dir == "" {
		t.Fatal("no temporary directory")
	}

	job := command(t, "env")
	job.Workdir = dir
	job.Env = []string{"A=1", "HOME=/home/given", "B=x=y", "PWD=/elsewhere", "SIDEGATE_JOB_ID=another", "EMPTY="}
	want := []string{"SIDEGATE_JOB_ID=" + job.ID, "PWD=" + dir, "A=1", "HOME=/home/given", "B=x=y", "EMPTY="}
	if got := environmentOf(t, r, job); !slices.Equal(got, want) {
		t.Errorf("with a workdir: got %q, want %q", got, want)
	}

	job = command(t, "env")
	job.Env = []string{"A=1", "HOME=/home/given", "TMPDIR=/x", "PWD=/elsewhere"}
	got := environmentOf(t, r, job)
	private := ""
	for _, e := range got {
		if v, ok := strings.CutPrefix(e, "PWD="); ok {
			private = v
		}
	}
	want = []string{"SIDEGATE_JOB_ID=" + job.ID, "PWD=" + private, "HOME=" + private, "TMPDIR=" + private, "A=1"}
	if !slices.Equal(got, want) || filepath.Dir(filepath.Dir(private)) != r.config.WorkRoot {
		t.Errorf("with a private directory: got %q, want %q", got, want)
	}
}

func environmentOf(t *testing.T, r *Runner, job Job) []string {
	t.Helper()
	return strings.Split(strings.TrimSuffix(string(run(t, r, job).Stdout), "\n"), "\n")
}

func TestOnlyStandardDescriptors(t *testing.T) {
	t.Parallel()
	// Descriptors that somebody failed to open close-on-exec must not reach a command either.
	leaked, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leaked)
	res := run(t, newRunner(t, nil), command(t, "ls", "/proc/self/fd"))
	if want := "0\n1\n2\n3\n"; string(res.Stdout) != want { // 3 is the directory that ls reads
		t.Errorf("got %q, want %q", res.Stdout, want)
	}
}

func TestOwnSessionAndGroup(t *testing.T) {
	t.Parallel()
	res := run(t, newRunner(t, nil), script(t, `read -r pid comm state ppid pgrp session tty rest < /proc/$$/stat; echo $((pid == pgrp)) $((pid == session)) $tty`))
	if want := "1 1 0\n"; string(res.Stdout) != want {
		t.Errorf("leader of group, leader of session, terminal: got %q, want %q", res.Stdout, want)
	}
}

func TestOutputIsBlockingForTheCommand(t *testing.T) {
	t.Parallel()
	res := run(t, newRunner(t, nil), script(t, `grep flags /proc/self/fdinfo/1 /proc/self/fdinfo/2`))
	for _, line := range strings.Split(strings.TrimSpace(string(res.Stdout)), "\n") {
		var flags int
		if _, err := fmt.Sscanf(line[strings.LastIndex(line, ":")+1:], "%o", &flags); err != nil {
			t.Fatal(err)
		}
		if flags&unix.O_NONBLOCK != 0 {
			t.Errorf("%s: non-blocking", line)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	res := run(t, newRunner(t, nil), script(t, `i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done`))
	if res.Usage.User+res.Usage.System <= 0 {
		t.Errorf("usage %+v", res.Usage)
	}
	if res.Usage.MaxRSS != 0 {
		t.Errorf("MaxRSS is %d, but a shell is smaller than this test", res.Usage.MaxRSS)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	fifo, await := meeting(t)
	job := script(t, `trap '' TERM; (setsid sleep 1000 &) ; : > "$FIFO"; sleep 1000`)
	job.Env = append(job.Env, "FIFO="+fifo)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("shutting down")
	var wg sync.WaitGroup
	wg.Go(func() {
		await()
		cancel(why)
	})
	res, err := r.Run(ctx, job)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if res.Status != StatusKilled || res.Signal != "SIGKILL" || res.ExitCode != 137 || res.TimedOut || !errors.Is(res.Cause, why) {
		t.Errorf("got %+v", res)
	}
	nothingLeft(t, r, job.ID)
}

func TestCancelledBeforeStart(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("an operator")
	cancel(why)
	job := command(t, "true")
	_, err := r.Run(ctx, job)
	var start *StartError
	if !errors.As(err, &start) || start.Step != StepStart || !errors.Is(err, ErrCancelledBeforeStart) || !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	nothingLeft(t, r, job.ID)
	if _, err := r.Run(t.Context(), Job{}); errors.Is(err, ErrCancelledBeforeStart) {
		t.Errorf("another error is taken for it: %v", err)
	}
}

// Not parallel: it counts descriptors.
func TestManyRunsLeakNothing(t *testing.T) {
	r := newRunner(t, nil)
	run(t, r, command(t, "true")) // whatever is opened once
	before, rulesets := openFDs(t), openRulesets(t)
	const runs, at = 500, 64
	slots := make(chan struct{}, at)
	ids := make([]string, runs)
	var wg sync.WaitGroup
	for i := range runs {
		text := fmt.Sprintf("echo %d; echo err >&2", i)
		if i%50 == 0 {
			text += "; (setsid sleep 1000 >/dev/null 2>&1 &)"
		}
		job := script(t, text)
		ids[i] = job.ID
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			result, err := r.Run(context.Background(), job)
			if err != nil {
				t.Errorf("run %d: %v", i, err)
				return
			}
			res := outputOf(t, result)
			if want := fmt.Sprintf("%d\n", i); string(res.Stdout) != want || string(res.Stderr) != "err\n" || res.ExitCode != 0 {
				t.Errorf("run %d: %q, %q, %d", i, res.Stdout, res.Stderr, res.ExitCode)
			}
		})
	}
	wg.Wait()
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if after := openRulesets(t); after > rulesets+66 { // 64 are kept, and one is made ahead with the network, and one without
		t.Errorf("%d rulesets before, %d after", rulesets, after)
	}
	for i := 0; i < runs; i += 50 {
		nothingLeft(t, r, ids[i])
	}
	if pids := children(t); len(pids) > 0 {
		t.Errorf("children %v are left", pids)
	}
}

// children lists this process's children, zombies included.
func children(t *testing.T) (pids []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(files) == 0 {
		t.Skip("this kernel lists no children: it lacks CONFIG_PROC_CHILDREN")
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		pids = append(pids, strings.Fields(string(data))...)
	}
	return pids
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{
		"relative":            {WorkRoot: "work"},
		"empty":               {},
		"not clean":           {WorkRoot: dir + "/x/../y"},
		"symbolic link":       {WorkRoot: link},
		"writable for others": {WorkRoot: open},
		"a file":              {WorkRoot: "/etc/passwd"},
		"negative grace":      {WorkRoot: filepath.Join(dir, "w"), KillGrace: -time.Second},
		"unknown user":        {WorkRoot: filepath.Join(dir, "w"), User: "no-such-user-here"},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
