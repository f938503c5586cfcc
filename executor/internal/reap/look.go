package reap

import (
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// batch is how many zombies are looked at with their descriptors open.
	batch = 64
	// startTime is how long a look waits for starts that have begun to end, startStep how often it looks whether they have.
	startTime = 100 * time.Millisecond
	startStep = time.Millisecond
)

// look waits for the strangers that have been zombies for long enough. Again is when to look the next time, because there are zombies left that nobody
// is known to wait for; 0 if there are none.
func (w *watch) look(seen map[int]time.Time) (again time.Duration) {
	if !ended(unix.P_ALL, 0) {
		clear(seen)
		return 0
	}
	zombies, err := w.strangers()
	if err != nil {
		w.log.Error("reap: cannot look for strangers", "error", err)
		return 0
	}
	maps.DeleteFunc(seen, func(pid int, _ time.Time) bool { return !slices.Contains(zombies, pid) })
	now := time.Now()
	var due []int
	for _, pid := range zombies {
		if first, ok := seen[pid]; !ok {
			seen[pid] = now
		} else if now.Sub(first) >= grace {
			due = append(due, pid)
		}
	}
	switch {
	case len(due) < len(zombies):
		again = calm
	case len(due) > 0: // what is left of them, if anything, is os/exec's
		again = grace
	}
	for pids := range slices.Chunk(due, batch) {
		if err := w.bury(pids); err != nil {
			w.log.Error("reap: cannot wait for strangers", "error", err)
		}
	}
	return again
}

// strangers lists the children that have ended and that Own has not made. Some of them may be os/exec's.
func (w *watch) strangers() ([]int, error) {
	pids, err := children()
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	pids = slices.DeleteFunc(pids, func(pid int) bool { return w.owned[pid] > 0 })
	w.mu.Unlock()
	return slices.DeleteFunc(pids, func(pid int) bool { return !ended(unix.P_PID, pid) }), nil
}

// ended tells whether a child, or any child, is a zombie, and leaves it one. One whose end is told by another signal than SIGCHLD counts as well (__WALL).
func ended(kind, id int) bool {
	var info unix.Siginfo
	for {
		switch err := unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, nil); err {
		case unix.EINTR:
		case nil:
			return info.Signo == int32(unix.SIGCHLD)
		default:
			return false
		}
	}
}

// bury waits for those of the processes that are nobody's. The order of the steps is the proof; see the package documentation.
func (w *watch) bury(pids []int) error {
	fds := make(map[int]int, len(pids))
	defer func() {
		for fd := range fds {
			unix.Close(fd)
		}
	}()
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // somebody has waited for it
		}
		fds[fd] = pid
		if !ended(unix.P_PIDFD, fd) {
			delete(fds, fd)
			unix.Close(fd)
		}
	}
	if !w.startsEnded() {
		return nil // next time
	}
	wanted, err := waitedFor(fds)
	if err != nil {
		return err
	}
	for fd, pid := range fds {
		if wanted[pid] || w.owns(pid) {
			continue
		}
		if err := unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG|unix.WALL, nil); err != nil {
			continue // somebody else was first, or a signal came; next time
		}
		w.reaped.Add(1)
		w.log.Debug("reap: waited for a stranger", "pid", pid)
	}
	return nil
}

func (w *watch) owns(pid int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.owned[pid] > 0
}

// startsEnded returns when no start that has begun before the call is still going on, or false if that takes long.
func (w *watch) startsEnded() bool {
	w.mu.Lock()
	limit := w.starts
	w.mu.Unlock()
	for until := time.Now().Add(startTime); ; time.Sleep(startStep) {
		if w.noneBefore(limit) {
			return true
		}
		if time.Now().After(until) {
			return false
		}
	}
}

func (w *watch) noneBefore(limit uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := range w.starting {
		if n < limit {
			return false
		}
	}
	return true
}
