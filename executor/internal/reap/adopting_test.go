package reap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	helpers["subreaper"] = func() error {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return err
		}
		return adoptAll()
	}
	helpers["init"] = func() error {
		if os.Getpid() != 1 {
			return fmt.Errorf("this is process %d", os.Getpid())
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		if _, err := Start(nil); err == nil {
			return errors.New("Start did not notice that /proc shows another pid namespace")
		}
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			return err
		}
		return adoptAll()
	}
}

func TestSubreaper(t *testing.T) {
	t.Parallel()
	if out, err := helper(t, "subreaper").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestInit(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a pid namespace")
	}
	cmd := helper(t, "init")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// adoptAll is run by processes to which orphans come.
func adoptAll() error {
	r, err := Start(nil)
	if err != nil {
		return fmt.Errorf("Start: %w", err)
	}
	for _, try := range []func(*Reaper) error{manyStatuses, slowStart, unseen} {
		if err := try(r); err != nil {
			return err
		}
	}
	r.Close()
	r.Close()
	return nil
}

// spawn starts a shell through Own, without anything that would tell the Reaper of it otherwise.
func spawn(r *Reaper, script string) (pid int, release func(), err error) {
	release, err = r.Own(func() (int, error) {
		pid, err = syscall.ForkExec("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
		return pid, err
	})
	return pid, release, err
}

func collect(pid int) (code int, err error) {
	var ws unix.WaitStatus
	for {
		_, err = unix.Wait4(pid, &ws, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			return ws.ExitStatus(), err
		}
	}
}

// manyStatuses collects 1,000 statuses while 1,000 orphans come and go. Some are collected long after the child's end, and some are of children that
// os/exec has made, of which the Reaper is not told.
func manyStatuses(r *Reaper) error {
	before := r.Reaped()
	const workers, each = 8, 125
	problems := make(chan error, workers*each)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range each {
				code := (w*each+i)%200 + 1
				script := fmt.Sprintf("(sleep 0.05 & ) ; exit %d", code)
				late := time.Duration(0)
				if i == 60 || i == 62 { // one of os/exec, one of Own
					late = 2 * grace
				}
				status := byOwn
				if i%5 == 0 {
					status = byExec
				}
				if got, err := status(r, script, late); err != nil || got != code {
					problems <- fmt.Errorf("status %d, %w instead of %d (child %d of %d)", got, err, code, i, w)
				}
			}
		})
	}
	all.Wait()
	close(problems)
	var errs []error
	for err := range problems {
		errs = append(errs, err)
	}
	errs = append(errs, soon("1,000 orphans reaped", func() bool { return r.Reaped()-before == workers*each }), noChildren())
	if len(r.owned)+len(r.starting) > 0 {
		errs = append(errs, fmt.Errorf("the Reaper still remembers %v, %v", r.owned, r.starting))
	}
	return errors.Join(errs...)
}

func byOwn(r *Reaper, script string, late time.Duration) (int, error) {
	pid, release, err := spawn(r, script)
	if err != nil {
		return 0, err
	}
	defer release()
	time.Sleep(late)
	return collect(pid)
}

func byExec(_ *Reaper, script string, late time.Duration) (int, error) {
	cmd := exec.Command("/bin/sh", "-c", script)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	time.Sleep(late)
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// noChildren asks the kernel.
func noChildren() error {
	if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); !errors.Is(err, unix.ECHILD) {
		return fmt.Errorf("there are children left: waitid says %v", err)
	}
	return nil
}

// slowStart has a child end, and be a zombie for long, before its start has told the Reaper. An orphan that ends in the meantime has to wait as well,
// because it cannot be told apart.
func slowStart(r *Reaper) error {
	before := r.Reaped()
	pid := 0
	release, err := r.Own(func() (int, error) {
		var err error
		pid, err = syscall.ForkExec("/bin/sh", []string{"sh", "-c", "(sleep 0.01 & ) ; exit 9"}, &syscall.ProcAttr{})
		time.Sleep(grace + 10*calm)
		return pid, err
	})
	if err != nil {
		return err
	}
	if n := r.Reaped(); n != before {
		return fmt.Errorf("%d were reaped during a start", n-before)
	}
	if err := soon("the orphan reaped", func() bool { return r.Reaped() == before+1 }); err != nil {
		return err
	}
	if code, err := collect(pid); code != 9 || err != nil {
		return fmt.Errorf("slow start: status %d, %w", code, err)
	}
	release()
	release()
	return noChildren()
}

// unseen is the last resort: a child that nobody has told of and nobody has a descriptor of is left alone for a second.
func unseen(r *Reaper) error {
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "exit 3"}, &syscall.ProcAttr{})
	if err != nil {
		return err
	}
	if err := soon("a zombie", func() bool { return ended(unix.P_PID, pid) }); err != nil {
		return err
	}
	time.Sleep(grace / 2)
	if code, err := collect(pid); code != 3 || err != nil {
		return fmt.Errorf("after half a second: status %d, %w", code, err)
	}
	// A start that fails leaves nothing behind.
	failed := errors.New("failed")
	if release, err := r.Own(func() (int, error) { return 0, failed }); !errors.Is(err, failed) || release != nil {
		return fmt.Errorf("a start that fails: %v", err)
	}
	if _, err := r.Own(func() (int, error) { return -1, nil }); err == nil || !strings.Contains(err.Error(), "-1") {
		return fmt.Errorf("a start that makes nothing: %v", err)
	}
	if len(r.owned)+len(r.starting) > 0 {
		return fmt.Errorf("the Reaper still remembers %v, %v", r.owned, r.starting)
	}
	return noChildren()
}
