package executor

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Trees of processes that try to outlive their job. The scripts' sleeps are far longer than any test may take. A script that sets a trap has a second for it.
func TestWholeTreeEnds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		script  string
		timeout time.Duration
		status  Status
		code    int
		stdout  string
	}{
		{"grandchild holds the pipe", `sleep 1000 & echo out; exit 3`, 0, StatusExited, 3, "out\n"},
		{"grandchild lets go of the pipe in time", `(sleep 0.05; echo late) & echo out`, 0, StatusExited, 0, "out\nlate\n"},
		{"quiet grandchild", `sleep 1000 >/dev/null 2>&1 & exit 4`, 0, StatusExited, 4, ""},
		{"grandchild ignoring hangups", `trap '' HUP TERM INT; sleep 1000 & exit 5`, 0, StatusExited, 5, ""},
		{"setsid grandchild holds the pipe", `setsid sleep 1000 & wait $!; exit 0`, 100 * time.Millisecond, StatusTimedOut, 143, ""},
		{"setsid grandchild holds the pipe, command ends", `(setsid sleep 1000 &); echo out`, 0, StatusExited, 0, "out\n"},
		{"quiet daemon", `(setsid sleep 1000 >/dev/null 2>&1 </dev/null &); exit 6`, 0, StatusExited, 6, ""},
		{"double fork", `(setsid sh -c '(setsid sh -c "sleep 1000 & sleep 1000" &) ; sleep 1000' &); exit 7`, 0, StatusExited, 7, ""},
		{"timeout", `sleep 1000`, 100 * time.Millisecond, StatusTimedOut, 143, ""},
		{"timeout handled", `trap 'echo bye; exit 9' TERM; while :; do sleep 0.01; done`, time.Second, StatusTimedOut, 9, "bye\n"},
		{"ignores SIGTERM", `trap '' TERM; while :; do sleep 1000; done`, time.Second, StatusTimedOut, 137, ""},
		{"stopped", `kill -STOP $$`, 100 * time.Millisecond, StatusTimedOut, 143, ""},
		{
			"all of it", `trap '' TERM
			sh -c 'trap "" TERM; sleep 1000' & setsid sh -c 'trap "" TERM; sleep 1000 & sleep 1000' & (setsid sleep 1000 &)
			sleep 1000 & sleep 1000`, time.Second, StatusTimedOut, 137, "",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			job := script(t, tc.script)
			if tc.timeout != 0 {
				job.Timeout = tc.timeout
			}
			res := run(t, newRunner(t, func(c *Config) {
				if slices.Contains([]string{"bye\n", "out\nlate\n"}, tc.stdout) { // what it prints in its grace, it prints on a slow host too
					c.KillGrace, c.PipeGrace = time.Minute, time.Minute
				}
			}), job)
			if res.Status != tc.status || res.ExitCode != tc.code || string(res.Stdout) != tc.stdout {
				t.Errorf("%s, code %d, %q; want %s, %d, %q", res.Status, res.ExitCode, res.Stdout, tc.status, tc.code, tc.stdout)
			}
			if res.TimedOut != (tc.status == StatusTimedOut) || res.Survivors {
				t.Errorf("timed out %v, survivors %v", res.TimedOut, res.Survivors)
			}
		})
	}
}

// A process that has left the group and wiped its environment is beyond what the mark can do. Run must return nevertheless, without its descriptors.
func TestUnmarkedPipeHolder(t *testing.T) {
	t.Parallel()
	r := newMarkRunner(t)
	fifo, _ := meeting(t)
	job := script(t, `(env -i FIFO="$FIFO" setsid sh -c 'read -r line < "$FIFO"' &); echo out`)
	job.Env = append(job.Env, "FIFO="+fifo)
	if res := run(t, r, job); res.Status != StatusExited || string(res.Stdout) != "out\n" {
		t.Errorf("got %+v", res)
	}
	release(t, fifo)
}

// A process without a first thread shows no environment where one looks first.
func TestHeadlessProcess(t *testing.T) {
	t.Parallel()
	job := hiding(t, `(setsid "$HELPER" >/dev/null 2>&1 </dev/null &); read -r line < "$FIFO"`)
	job.Env = append(job.Env, helperKey+"=headless")
	r := newMarkRunner(t)
	res, err := r.Run(t.Context(), job)
	if err != nil || res.Status != StatusExited || res.ExitCode != 0 || res.Survivors {
		t.Errorf("%+v, %v", res, err)
	}
	if left := headless(t, job); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

// A process shows no environment either while it executes another program, and this one does nothing else.
func TestAlwaysExecuting(t *testing.T) {
	t.Parallel()
	r := newMarkRunner(t)
	for range 20 {
		job := hiding(t, `(setsid "$LOOP" >/dev/null 2>&1 </dev/null &); read -r line < "$FIFO"`)
		job.Env = append(job.Env, "LOOP="+executing(t))
		res, err := r.Run(t.Context(), job)
		if err != nil || res.Status != StatusExited || res.ExitCode != 0 || res.Survivors {
			t.Fatalf("%+v, %v", res, err)
		}
		for range 3 { // this look can come in between as well
			if pids := carriers(t, job.ID); len(pids) > 0 {
				t.Fatalf("processes %v are left", pids)
			}
		}
	}
}

// hiding is a script with a FIFO on which its daemon says that it has hidden, and the path of the helper.
func hiding(t *testing.T, text string) Job {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	fifo, _ := meeting(t)
	job := script(t, text)
	job.Env = append(job.Env, "FIFO="+fifo, "HELPER="+self)
	return job
}

// executing makes a script that executes itself for ever and says so once.
func executing(t *testing.T) string {
	t.Helper()
	path := filepath.Join(openDir(t), "loop")
	writeProgram(t, path, "#!/bin/sh\n[ \"$1\" ] || echo up > \"$FIFO\"\nexec \"$0\" again\n")
	return path
}

// headless finds processes of the job by their threads.
func headless(t *testing.T, job Job) (found []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/task/*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if env, err := os.ReadFile(f); err == nil && bytes.Contains(env, []byte(markKey+"="+job.ID+"\x00")) {
			found = append(found, f)
		}
	}
	return found
}

func init() {
	if os.Getenv(helperKey) == "headless" {
		runtime.LockOSThread() // so that main runs on the first thread
	}
	helpers["headless"] = loseHead
}

// loseHead ends the first thread of this process and goes on without it.
func loseHead() error {
	go func() {
		for {
			st, err := os.ReadFile("/proc/" + strconv.Itoa(os.Getpid()) + "/stat")
			if err == nil && bytes.Contains(st, []byte(") Z ")) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		_ = os.WriteFile(os.Getenv("FIFO"), []byte("up\n"), 0)
		select {}
	}()
	_, _, errno := unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
	return errno
}

// Hostile trees of seven processes, several at once, of which nothing may remain: some leave the session, some ignore SIGTERM, all hold the pipes.
// KILL_TREES says how many under each profile and way.
func TestNoSurvivors(t *testing.T) {
	t.Parallel()
	trees := 15
	if n, err := strconv.Atoi(os.Getenv("KILL_TREES")); err == nil {
		trees = n
	}
	quick := func(c *Config) { c.KillGrace = 10 * time.Millisecond }
	helper := func(c *Config) { quick(c); c.Way = WayHelper }
	for _, tc := range []struct {
		name    string
		runner  *Runner
		profile Profile
	}{
		{"host", newRunner(t, quick), ProfileHost},
		{"confined", newRunner(t, quick), ProfileConfined},
		{"isolated", newRunner(t, quick), ProfileIsolated},
		{"confined, by the helper", newRunner(t, helper), ProfileConfined},
		{"host, by the mark alone", newMarkRunner(t), ProfileHost},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if s := tc.runner.support(tc.profile); !s.Available {
				t.Skipf("the profile %s is not available here: %v", tc.profile, s.Reasons)
			}
			killTrees(t, tc.runner, tc.profile, trees)
		})
	}
}

func killTrees(t *testing.T, r *Runner, profile Profile, trees int) {
	slots := make(chan struct{}, 8)
	done := make(chan Job, trees)
	for range trees {
		job := script(t, `trap '' TERM HUP
			sleep 1000 & setsid sleep 1000 & (setsid sh -c 'trap "" TERM; sleep 1000 & sleep 1000' &) ; sleep 1000`)
		job.Profile, job.Timeout = profile, 30*time.Millisecond
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; done <- job }()
			res, err := r.Run(t.Context(), job)
			if err != nil || res.Survivors || !res.TimedOut {
				t.Errorf("%+v, %v", res, err)
			}
			if err == nil {
				res.Close()
			}
		}()
	}
	for range trees {
		job := <-done
		if pids := carriers(t, job.ID); len(pids) > 0 {
			t.Errorf("processes %v are left", pids)
		}
	}
}
