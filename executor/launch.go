package executor

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// spec is a child to be made: everything is opened, resolved and checked.
type spec struct {
	path   string
	argv   []string
	env    []string
	dir    *os.File // O_PATH
	stdin  *os.File
	stdout *os.File
	stderr *os.File
	user   identity
}

// child is a started process that has not been reaped. Its pid stays its own until then.
type child struct {
	pid  int
	done *os.File // the pidfd, readable once the process has ended
}

// launch makes the child. It is the one place that knows how, and the one to change for a sandbox set up between fork and exec.
func launch(s spec) (child, error) {
	// The thread that forks is the one whose capabilities the child inherits.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := shed(); err != nil {
		return child{}, err
	}
	pidfd := -1
	attr := &syscall.ProcAttr{
		// Descriptors are closed by execve only, so the forked child can still name the directory through its copy of this one. The
		// magic link leads to the inode that was opened, whatever the path has come to mean.
		Dir:   "/proc/self/fd/" + strconv.Itoa(int(s.dir.Fd())),
		Env:   s.env,
		Files: []uintptr{s.stdin.Fd(), s.stdout.Fd(), s.stderr.Fd()},
		Sys: &syscall.SysProcAttr{
			// A new session is a new process group as well, and more: it has no controlling terminal to inject input into, and its
			// leader cannot move to another group.
			Setsid:     true,
			Credential: s.user.credential(),
			PidFD:      &pidfd,
		},
	}
	pid, err := syscall.ForkExec(s.path, s.argv, attr)
	runtime.KeepAlive(s.dir)
	if err != nil {
		return child{}, explain(s.path, err)
	}
	// Non-blocking makes os.NewFile put the descriptor into the runtime's poller, so that no thread waits per job.
	if err := unix.SetNonblock(pidfd, true); err != nil {
		return child{}, errors.Join(os.NewSyscallError("fcntl pidfd", err), abandon(pid, pidfd))
	}
	return child{pid: pid, done: os.NewFile(uintptr(pidfd), "pidfd")}, nil
}

// shed gives up what a child would inherit from the gateway without being told to: ambient capabilities, which a service that is granted
// CAP_SETUID has and which survive both a change of user and execve, and descriptors that were not opened close-on-exec, which whoever
// started the gateway may have left open.
func shed() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_CAP_AMBIENT", err)
	}
	return os.NewSyscallError("close_range", unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC))
}

// explain says more of the errors of execve that mislead.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, unix.ENOEXEC):
		return fmt.Errorf("%s: %w: %w", path, ErrFormat, err)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%s: the program, or the interpreter or loader it names, does not exist: %w", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// abandon kills and reaps a child that cannot be watched.
func abandon(pid, pidfd int) error {
	err := unix.Kill(-pid, unix.SIGKILL)
	_, _, reapErr := reap(pid)
	unix.Close(pidfd)
	return errors.Join(err, reapErr)
}
