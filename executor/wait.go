package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/executor/internal/spawn"
)

// drainGrace is how long the pipes are read after everything that was found has been killed. Only a process that hides from the sweep can hold
// them longer.
const drainGrace = 250 * time.Millisecond

// running is a job from its start to its reaping.
type running struct {
	*launching
	runner  *Runner
	child   spawn.Child
	release func() // lets others wait for the child's number
	streams [2]*stream
	started time.Time

	exited  chan struct{} // closed when the leader has ended
	drained chan struct{} // closed when both streams are at their end
	ended   time.Time     // written before exited is closed
}

// close closes what start opened.
func (p *running) close() {
	if p.release != nil {
		p.release()
	}
	if p.child.Done != nil {
		p.child.Done.Close()
	}
	for _, s := range p.streams {
		if s != nil {
			s.close()
		}
	}
}

// wait is Running.Wait.
func (p *running) wait(ctx context.Context) Result {
	defer p.launching.close()
	defer p.close()
	res, err := p.supervise(ctx)
	if err != nil {
		p.runner.log.Error("executor: a job did not end cleanly", "job", p.job.ID, "error", err)
	}
	res.Enforced, res.Missing = p.holds.Enforced, p.holds.Missing
	if p.user.switches {
		res.Enforced = append(res.Enforced, featureUser)
	}
	return res
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
	err := awaitReadable(p.child.Done)
	if err != nil {
		p.runner.log.Error("executor: cannot poll the pidfd, waiting by waitid", "job", p.job.ID, "error", err)
		awaitZombie(p.child.PID)
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
	if err := unix.Kill(-p.child.PID, s); err != nil && !errors.Is(err, unix.ESRCH) {
		p.runner.log.Warn("executor: cannot signal the process group", "job", p.job.ID, "signal", s.String(), "error", err)
	}
}

// killTree kills whatever of the job is left. A control group holds all of it, and so does a pid namespace, whose first process the leader is; without
// either, the process group is killed and then whatever else carries the mark.
func (p *running) killTree() error {
	p.signal(unix.SIGKILL)
	if p.group != nil && p.runner.sandbox.limits.Kill.Available {
		if err := p.group.Kill(); err == nil {
			return nil
		}
	}
	if p.holds.has(featurePIDNamespace) {
		return nil
	}
	h := hunt{
		seeker:  seeker{wanted: map[string]struct{}{p.job.ID: {}}},
		leader:  p.child.PID,
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
	ws, usage, err := collect(p.child.PID)
	res := Result{Status: StatusFailed, Started: p.started, Ended: p.ended}
	if err == nil {
		res.setEnd(ws)
		res.Usage = usage
	}
	if p.group != nil {
		if res.OOM, err = p.group.OOM(); err != nil {
			p.runner.log.Warn("executor: it is not known whether a job ran out of memory", "job", p.job.ID, "error", err)
		}
	}
	switch why {
	case byTimeout:
		res.Status, res.TimedOut = StatusTimedOut, true
	case byCancel:
		res.Status, res.Cause = StatusKilled, context.Cause(ctx)
	}
	res.Stdout, res.Stderr = p.streams[Stdout].kept.output(), p.streams[Stderr].kept.output()
	res.Truncated = res.Stdout.Truncated() || res.Stderr.Truncated()
	res.StdoutBytes, res.StderrBytes = p.streams[Stdout].kept.total, p.streams[Stderr].kept.total
	return res, err
}

// collect takes the status of a child that has ended.
func collect(pid int) (unix.WaitStatus, Usage, error) {
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
