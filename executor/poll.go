package executor

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// lull is how long a long stream may pause before what was read of it is written.
const lull = time.Millisecond

// poll waits until the leader ends, there is output, or room for input, the context ends, or the time has come, and reads and writes what there is. It tells whether the time has
// come; the zero time never does.
func (p *running) poll(until time.Time) (over bool) {
	var fds [5]unix.PollFd
	const child, wake, input = len(p.streams), len(p.streams) + 1, len(p.streams) + 2
	for i, s := range p.streams {
		fds[i] = pollFor(s.near, !s.ended)
	}
	fds[child] = pollFor(int(p.child.Done.Fd()), !p.exited)
	fds[wake] = pollFor(p.wake, !p.cancelled)
	fds[input] = unix.PollFd{Fd: int32(p.input.far), Events: unix.POLLOUT}

	wait := p.patience(until)
	n, err := unix.Ppoll(fds[:], wait, nil)
	if err != nil && !errors.Is(err, unix.EINTR) {
		p.runner.log.Error("executor: cannot wait for a job in the right way", "job", p.job.ID, "error", err)
		time.Sleep(lull) // the kernel is short of memory
	}
	if n <= 0 {
		clear(fds[:])
	}
	p.exited = p.exited || fds[child].Revents != 0
	if p.exited && p.ended.IsZero() {
		p.ended = time.Now()
	}
	p.cancelled = p.cancelled || fds[wake].Revents != 0
	if fds[input].Revents != 0 {
		p.input.write()
	}
	for i, s := range p.streams {
		switch {
		case fds[i].Revents != 0:
			s.read()
		case err == nil && s.pauses():
			s.write()
		}
	}
	return !until.IsZero() && !time.Now().Before(until)
}

// pollFor is what to wait for: that fd can be read or, where that is not wanted, nothing.
func pollFor(fd int, wanted bool) unix.PollFd {
	if !wanted {
		fd = -1
	}
	return unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
}

// patience is how long to wait at most; nil is for ever.
func (p *running) patience(until time.Time) *unix.Timespec {
	var wait time.Duration
	switch {
	case p.streams[Stdout].pauses() || p.streams[Stderr].pauses():
		wait = lull
		if !until.IsZero() {
			wait = min(wait, time.Until(until))
		}
	case until.IsZero():
		return nil
	default:
		wait = time.Until(until)
	}
	ts := unix.NsecToTimespec(max(0, wait).Nanoseconds())
	return &ts
}
