package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// drainGrace is how long the pipes are read after everything that was found has been killed. Only a process that hides from the sweep can hold
// them longer.
const drainGrace = 250 * time.Millisecond

// running is a job from its start to its reaping.
type running struct {
	runner  *Runner
	job     *Job
	user    identity
	child   child
	streams [2]*stream
	started time.Time

	exited  chan struct{} // closed when the leader has ended
	drained chan struct{} // closed when both streams are at their end
	ended   time.Time     // written before exited is closed
}

// ending says why a command ended.
type ending int

const (
	byItself ending = iota
	byTimeout
	byCancel
)

// supervise waits for the command and ends everything it has started.
func (p *running) supervise(ctx context.Context) (Result, error) {
	p.exited = make(chan struct{})
	p.drained = make(chan struct{})
	var all, readers sync.WaitGroup
	all.Go(p.awaitExit)
	for _, s := range p.streams {
		readers.Go(s.drain)
	}
	all.Go(func() {
		readers.Wait()
		close(p.drained)
	})

	timeout := time.NewTimer(p.job.Timeout)
	defer timeout.Stop()
	why := p.untilExit(ctx, timeout)
	if why == byItself {
		p.linger(ctx, timeout)
	}
	err := p.killTree()
	p.finishOutput()
	all.Wait()

	res, reapErr := p.result(ctx, why)
	res.Survivors = errors.Is(err, ErrSurvivors)
	return res, errors.Join(err, reapErr)
}

// awaitExit waits for the pidfd to become readable, which leaves the leader unreaped.
func (p *running) awaitExit() {
	defer close(p.exited)
	err := awaitReadable(p.child.done)
	if err != nil {
		p.runner.log.Error("executor: cannot poll the pidfd, waiting by waitid", "job", p.job.ID, "error", err)
		awaitZombie(p.child.pid)
	}
	p.ended = time.Now()
}

func awaitReadable(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return conn.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return n > 0 && err == nil
	})
}

func awaitZombie(pid int) {
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
}

// untilExit returns once the leader has ended, by itself or by force. A leader that the kernel cannot or may not end is waited for: its place in
// the queue stays taken, which bounds how many such processes can pile up.
func (p *running) untilExit(ctx context.Context, timeout *time.Timer) ending {
	var why ending
	select {
	case <-p.exited:
		return byItself
	case <-timeout.C:
		why = byTimeout
	case <-ctx.Done():
		why = byCancel
	}
	select {
	case <-p.exited: // both at once: the command was faster
		return byItself
	default:
	}
	p.signal(unix.SIGTERM)
	p.signal(unix.SIGCONT) // a stopped process acts on SIGTERM only when it goes on
	grace := time.NewTimer(p.runner.config.KillGrace)
	defer grace.Stop()
	select {
	case <-p.exited:
	case <-grace.C:
		p.signal(unix.SIGKILL)
		<-p.exited
	}
	return why
}

// linger gives descendants that hold the pipes some time after the leader has ended by itself.
func (p *running) linger(ctx context.Context, timeout *time.Timer) {
	grace := time.NewTimer(p.runner.config.PipeGrace)
	defer grace.Stop()
	select {
	case <-p.drained:
	case <-grace.C:
	case <-timeout.C:
	case <-ctx.Done():
	}
}

// signal reaches the whole group. The unreaped leader keeps the number of the group from being used again.
func (p *running) signal(s unix.Signal) {
	if err := unix.Kill(-p.child.pid, s); err != nil && !errors.Is(err, unix.ESRCH) {
		p.runner.log.Warn("executor: cannot signal the process group", "job", p.job.ID, "signal", s.String(), "error", err)
	}
}

// killTree kills the group and then whatever else carries the mark.
func (p *running) killTree() error {
	p.signal(unix.SIGKILL)
	h := hunt{
		seeker:  seeker{wanted: map[string]struct{}{p.job.ID: {}}},
		leader:  p.child.pid,
		started: p.started,
	}
	if p.user.switches {
		h.owner = &p.user
	}
	_, err := h.run(context.Background())
	return err
}

// finishOutput returns when both streams are no longer read.
func (p *running) finishOutput() {
	timer := time.NewTimer(drainGrace)
	defer timer.Stop()
	select {
	case <-p.drained:
		return
	case <-timer.C:
	}
	for _, s := range p.streams {
		s.giveUp()
	}
	<-p.drained
}

// result reaps the leader and tells what happened.
func (p *running) result(ctx context.Context, why ending) (Result, error) {
	ws, usage, err := reap(p.child.pid)
	res := Result{Status: StatusFailed, Started: p.started, Ended: p.ended}
	if err == nil {
		res.setEnd(ws)
		res.Usage = usage
	}
	switch why {
	case byTimeout:
		res.Status, res.TimedOut = StatusTimedOut, true
	case byCancel:
		res.Status, res.Cause = StatusKilled, context.Cause(ctx)
	}
	var cut [2]bool
	res.Stdout, cut[0] = p.streams[0].captured.bytes()
	res.Stderr, cut[1] = p.streams[1].captured.bytes()
	res.Truncated = cut[0] || cut[1]
	res.StdoutBytes = p.streams[0].captured.total
	res.StderrBytes = p.streams[1].captured.total
	return res, err
}

// reap collects the status of a child that has ended.
func reap(pid int) (unix.WaitStatus, Usage, error) {
	var ws unix.WaitStatus
	var ru unix.Rusage
	for {
		_, err := unix.Wait4(pid, &ws, 0, &ru)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, Usage{}, fmt.Errorf("wait4 of process %d: %w", pid, err)
		}
		return ws, usageOf(&ru), nil
	}
}

// usageOf leaves the memory out where it may be the gateway's: the child is forked sharing the gateway's memory, and execve(2) books that memory's
// peak to the child (setmax_mm_hiwater_rss in fs/exec.c).
func usageOf(ru *unix.Rusage) Usage {
	u := Usage{User: time.Duration(ru.Utime.Nano()), System: time.Duration(ru.Stime.Nano())}
	var own unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &own); err == nil && ru.Maxrss > own.Maxrss {
		u.MaxRSS = int64(ru.Maxrss) << 10 // the kernel counts in KiB
	}
	return u
}
