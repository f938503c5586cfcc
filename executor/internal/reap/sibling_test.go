package reap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	helpers["sibling-maker"] = makeSiblings
	helpers["plain"] = func() error {
		r, err := Start(nil)
		if err != nil {
			return err
		}
		if err := siblings(r); err != nil {
			return err
		}
		r.Close()
		r.Close()
		return together()
	}
}

// TestSiblings is about a process that is neither process 1 nor a subreaper: no orphans come to it, but its children can make it others.
func TestSiblings(t *testing.T) {
	t.Parallel()
	if out, err := helper(t, "plain").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// makeSiblings makes as many children of its own parent as it is asked for. They end at once.
func makeSiblings() error {
	n, err := strconv.Atoi(os.Getenv("SIBLINGS"))
	if err != nil {
		return err
	}
	for range n {
		if _, errno := cloneSibling(); errno != 0 {
			return errno
		}
	}
	return nil
}

// cloneSibling makes a child with a copy of this memory, that makes one more system call.
//
//go:noinline
//go:norace
//go:nocheckptr
func cloneSibling() (pid uintptr, errno syscall.Errno) {
	pid, _, errno = syscall.RawSyscall6(unix.SYS_CLONE, unix.CLONE_PARENT|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	for errno == 0 && pid == 0 {
		syscall.RawSyscall6(unix.SYS_EXIT_GROUP, 7, 0, 0, 0, 0, 0)
	}
	return pid, errno
}

func runSiblingMaker(n int) error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), helperKey+"=sibling-maker", fmt.Sprintf("SIBLINGS=%d", n))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// siblings has children made that nobody knows of, and takes care of its own meanwhile, some of which have been zombies for long.
func siblings(r *Reaper) error {
	const many = 200
	before := r.Reaped()
	pid, release, err := spawn(r, "exit 5")
	if err != nil {
		return err
	}
	late := exec.Command("/bin/sh", "-c", "exit 6")
	if err := late.Start(); err != nil {
		return err
	}
	if err := runSiblingMaker(many); err != nil {
		return err
	}
	if err := soon("all siblings reaped", func() bool { return r.Reaped()-before == many }); err != nil {
		return err
	}
	time.Sleep(2 * calm) // both of its own have been zombies for as long as the others
	if code, err := collect(pid); code != 5 || err != nil {
		return fmt.Errorf("its own: status %d, %w", code, err)
	}
	release()
	if err := late.Wait(); late.ProcessState.ExitCode() != 6 {
		return fmt.Errorf("that of os/exec: %w", err)
	}
	if n := r.Reaped() - before; n != many {
		return fmt.Errorf("%d were reaped instead of %d", n, many)
	}
	return noChildren()
}

// together starts two Reapers, which must not wait for each other's children, and of which the first that is closed leaves the other at work.
func together() error {
	first, err := Start(nil)
	if err != nil {
		return err
	}
	second, err := Start(nil)
	if err != nil {
		return err
	}
	pid, release, err := spawn(second, "exit 4")
	if err != nil {
		return err
	}
	if err := runSiblingMaker(1); err != nil {
		return err
	}
	if err := soon("a sibling reaped", func() bool { return first.Reaped() == 1 && second.Reaped() == 1 }); err != nil {
		return err
	}
	first.Close()
	if err := runSiblingMaker(1); err != nil {
		return err
	}
	if err := soon("a sibling reaped by the other", func() bool { return second.Reaped() == 2 }); err != nil {
		return err
	}
	if code, err := collect(pid); code != 4 || err != nil {
		return fmt.Errorf("the other's: status %d, %w", code, err)
	}
	release()
	second.Close()
	if err := runSiblingMaker(1); err != nil {
		return err
	}
	time.Sleep(grace + 2*calm)
	if !ended(unix.P_ALL, 0) {
		return errors.New("a sibling was reaped after the last Reaper was closed")
	}
	return nil
}

// TestNoReaper is about the one that waits for nothing.
func TestNoReaper(t *testing.T) {
	t.Parallel()
	var r *Reaper
	cmd := exec.Command("/bin/true")
	release, err := r.Own(func() (int, error) {
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		return cmd.Process.Pid, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	release()
	if n := r.Reaped(); n != 0 {
		t.Errorf("Reaped = %d", n)
	}
	r.Close()
}
