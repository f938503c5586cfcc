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

// look waits for the orphans that have been zombies for long enough. More says that there are zombies left that nobody is known to wait for.
func (r *Reaper) look(seen map[int]time.Time) (more bool) {
	zombies, err := r.strangers()
	if err != nil {
		r.log.Error("reap: cannot look for orphans", "error", err)
		return false
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
	for pids := range slices.Chunk(due, batch) {
		if err := r.bury(pids); err != nil {
			r.log.Error("reap: cannot wait for orphans", "error", err)
		}
	}
	return len(zombies) > 0
}

// strangers lists the children that have ended and that Own has not made.
func (r *Reaper) strangers() ([]int, error) {
	pids, err := children()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	pids = slices.DeleteFunc(pids, func(pid int) bool { return r.owned[pid] > 0 })
	r.mu.Unlock()
	return slices.DeleteFunc(pids, func(pid int) bool { return !ended(unix.P_PID, pid) }), nil
}

// ended tells whether a child is a zombie, and leaves it one.
func ended(kind, id int) bool {
	var info unix.Siginfo
	for {
		switch err := unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err {
		case unix.EINTR:
		case nil:
			return info.Signo == int32(unix.SIGCHLD)
		default:
			return false
		}
	}
}

// bury waits for those of the processes that are nobody's. The order of the steps is the proof; see the package documentation.
func (r *Reaper) bury(pids []int) error {
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
	if !r.startsEnded() {
		return nil // next time
	}
	wanted, err := waitedFor(fds)
	if err != nil {
		return err
	}
	for fd, pid := range fds {
		if wanted[pid] || r.owns(pid) {
			continue
		}
		if err := unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG, nil); err != nil {
			continue // somebody else was first, or a signal came; next time
		}
		r.reaped.Add(1)
		r.log.Debug("reap: waited for an orphan", "pid", pid)
	}
	return nil
}

func (r *Reaper) owns(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owned[pid] > 0
}

// startsEnded returns when no start that has begun before the call is still going on, or false if that takes long.
func (r *Reaper) startsEnded() bool {
	r.mu.Lock()
	limit := r.starts
	r.mu.Unlock()
	for until := time.Now().Add(startTime); ; time.Sleep(startStep) {
		if r.noneBefore(limit) {
			return true
		}
		if time.Now().After(until) {
			return false
		}
	}
}

func (r *Reaper) noneBefore(limit uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range r.starting {
		if n < limit {
			return false
		}
	}
	return true
}
