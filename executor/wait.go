package executor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
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
	input   *feed
	streams [2]*stream
	wake    int // an eventfd that is written when the context ends; -1 for none
	started time.Time

	exited    bool      // the leader has ended
	ended     time.Time // when
	cancelled bool      // the context has ended
}

// close closes what start opened.
func (p *running) close() {
	if p.release != nil {
		p.release()
	}
	if p.child.Done != nil {
		p.child.Done.Close()
	}
	if p.input != nil {
		p.input.close()
	}
	for _, s := range p.streams {
		if s != nil {
			s.close()
		}
	}
	if p.wake >= 0 {
		unix.Close(p.wake)
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

// supervise waits for the command and ends everything it has started. One goroutine does all of it, and its thread sleeps in poll(2) meanwhile: for a
// short command, waking goroutines takes more time than all that is done here.
func (p *running) supervise(ctx context.Context) (Result, error) {
	defer p.wakeAt(ctx)()
	timeout := time.Now().Add(p.job.Timeout)
	why := p.untilExit(timeout)
	if why == byItself {
		p.linger(timeout)
	}
	err := p.killTree()
	p.finishOutput()

	res, reapErr := p.result(ctx, why)
	res.Survivors = errors.Is(err, ErrSurvivors)
	return res, errors.Join(err, reapErr)
}

// wakeAt has poll return when the context ends, until stop is called.
func (p *running) wakeAt(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	forget := context.AfterFunc(ctx, func() {
		defer close(done)
		_, _ = unix.Write(p.wake, []byte{7: 1}) // a number that is not 0, in either byte order
	})
	return func() {
		if !forget() {
			<-done // the descriptor is closed soon
		}
	}
}

// untilExit returns once the leader has ended, by itself or by force. A leader that the kernel cannot or may not end is waited for: its place in
// the queue stays taken, which bounds how many such processes can pile up.
func (p *running) untilExit(timeout time.Time) ending {
	var why ending
	for over := false; !p.exited && !p.cancelled && !over; {
		over = p.poll(timeout)
	}
	switch {
	case p.exited: // also if all comes at once: the command was faster
		return byItself
	case p.cancelled:
		why = byCancel
	default:
		why = byTimeout
	}
	p.signal(unix.SIGTERM)
	p.signal(unix.SIGCONT) // a stopped process acts on SIGTERM only when it goes on
	grace := time.Now().Add(p.runner.config.KillGrace)
	for over := false; !p.exited && !over; {
		over = p.poll(grace)
	}
	if !p.exited {
		p.signal(unix.SIGKILL)
	}
	for !p.exited {
		p.poll(time.Time{})
	}
	return why
}

// linger gives descendants that hold the pipes some time after the leader has ended by itself.
func (p *running) linger(timeout time.Time) {
	grace := time.Now().Add(p.runner.config.PipeGrace)
	if timeout.Before(grace) {
		grace = timeout
	}
	for over := false; !p.drained() && !p.cancelled && !over; {
		over = p.poll(grace)
	}
}

// drained tells whether both streams are at their end.
func (p *running) drained() bool { return p.streams[Stdout].ended && p.streams[Stderr].ended }

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
		if err := p.group.Kill(1); err == nil { // the leader, which has ended and is not waited for yet
			return nil
		}
	}
	if p.holds.has(featurePIDNamespace) {
		return nil
	}
	p.doubt = true // whoever hides from what follows is not found
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
	patience := time.Now().Add(drainGrace)
	for over := false; !p.drained() && !over; {
		over = p.poll(patience)
	}
	for _, s := range p.streams {
		s.end()
	}
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
	if ru.Maxrss <= ownPeak.Load() {
		return u
	}
	var own unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &own); err != nil {
		return u
	}
	ownPeak.Store(own.Maxrss)
	if ru.Maxrss > own.Maxrss {
		u.MaxRSS = int64(ru.Maxrss) << 10 // the kernel counts in KiB
	}
	return u
}

// ownPeak is the peak of the gateway's memory when it was last asked for, in KiB: it never falls, and to ask for it takes longer the more threads there are.
var ownPeak atomic.Int64
