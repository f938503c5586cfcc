package spawn

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Child is a started process that has not been reaped: until the caller waits for it, the pid stays its own.
type Child struct {
	PID int
	// Done is a pidfd, which poll(2) finds readable once the process has ended. The caller closes it.
	Done *os.File
}

// patience is how long a child may take until it executes the command.
var patience = 10 * time.Second

// adopt makes a Child of a process that executes the command.
func adopt(pid, pidfd int) Child { return Child{PID: pid, Done: os.NewFile(uintptr(pidfd), "pidfd")} }

// discard reaps a child that has ended, or is about to.
func discard(pid, pidfd int) {
	unix.Close(pidfd)
	reap(pid)
}

// reap waits for a child, or for all children of a process group if pid is negative.
func reap(pid int) {
	for {
		_, err := unix.Wait4(pid, nil, 0, nil)
		if errors.Is(err, unix.EINTR) || (err == nil && pid < 0) {
			continue
		}
		return
	}
}
