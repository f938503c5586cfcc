package executor

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// huntTime bounds how long one hunt goes on, and huntWait how long it waits for one round's victims before it looks again.
	huntTime = 5 * time.Second
	huntWait = 50 * time.Millisecond
	// settleTime is given to a process that is between two programs to get its new environment, settleRounds times. One that still shows none does not
	// execute: it took its environment out of its memory, as any user's process can, or the kernel has stopped it in the middle.
	settleTime   = time.Millisecond
	settleRounds = 50
)

// Sweep kills every process in a control group that an earlier Runner with the same WorkRoot left, and every process that carries the mark of one of the
// jobs, wherever it has moved to, and returns how many it killed. It is for recovery after a crash of the gateway. For the mark, it looks again until it finds none; if there are still some after 5 s, the error wraps [ErrSurvivors].
// A process that shows no environment for longer than an execve(2) takes counts as one without the mark: it could have replaced its environment as well.
//
// Nothing is killed but processes whose environment holds exactly a mark of the given IDs at the moment, and never the calling process.
func (r *Runner) Sweep(ctx context.Context, jobIDs []string) (killed int, err error) {
	wanted := make(map[string]struct{}, len(jobIDs))
	for _, id := range jobIDs {
		if err := checkID(id); err != nil {
			return 0, err
		}
		wanted[id] = struct{}{}
	}
	if r.sandbox.groups != nil {
		if killed, err = r.sandbox.groups.Sweep(ctx); err != nil {
			return killed, err
		}
	}
	if len(wanted) == 0 {
		return killed, nil
	}
	h := hunt{seeker: seeker{wanted: wanted, anyOwner: r.maySwitch}}
	marked, err := h.run(ctx)
	return killed + marked, err
}

// hunt finds and kills marked processes.
type hunt struct {
	seeker
	// leader, if not 0, is an unreaped process of this gateway, started at the given time, whose descendants alone are hunted. It is spared.
	leader  int
	started time.Time
	settled int // settle rounds since a marked process was seen
}

// run repeats until nothing is found, because what is killed may have forked in the meantime.
func (h *hunt) run(ctx context.Context) (killed int, err error) {
	deadline := time.Now().Add(huntTime)
	victims := make(map[int]struct{})
	for {
		found, err := h.search(deadline)
		if err != nil || found.none() {
			return len(victims), err
		}
		if time.Now().After(deadline) {
			if len(found.marked) == 0 {
				return len(victims), nil
			}
			return len(victims), fmt.Errorf("%w: marked %v", ErrSurvivors, found.marked)
		}
		if err := ctx.Err(); err != nil {
			return len(victims), err
		}
		if len(found.marked) == 0 {
			found.marked = h.settle(found.undecided)
		}
		if len(found.marked) > 0 {
			h.settled = 0
		}
		for _, pid := range h.kill(found.marked) {
			victims[pid] = struct{}{}
		}
	}
}

// settle looks at the undecided alone until one turns out to be marked, none is undecided any more, or the rounds of this hunt are used up.
func (h *hunt) settle(pids []int) (marked []int) {
	for ; len(pids) > 0 && h.settled < settleRounds; h.settled++ {
		time.Sleep(settleTime)
		found := h.seek(pids)
		if len(found.marked) > 0 {
			return found.marked
		}
		pids = found.undecided
	}
	return nil
}

// look is seek, for which the undecided are unmarked once they had their time.
func (h *hunt) look(pids []int) findings {
	found := h.seek(pids)
	if h.settled >= settleRounds {
		found.undecided = nil
	}
	return found
}

// search looks everywhere, and then at what was started while it looked: a process that it came too late to see may have left a child. It has found
// nothing only when nothing was started any more.
func (h *hunt) search(deadline time.Time) (findings, error) {
	pids, last, err := h.candidates()
	if err != nil {
		return findings{}, err
	}
	for {
		found := h.look(pids)
		if !found.none() {
			return found, nil
		}
		now, err := newestPID()
		if err != nil || now == last || time.Now().After(deadline) {
			return findings{}, nil
		}
		if now > last && now-last <= nearPIDs {
			pids, last = between(last, now), now
		} else if pids, last, err = h.candidates(); err != nil {
			return findings{}, err
		}
	}
}

// kill sends SIGKILL and waits a little for the dying. The pidfd is opened before the mark is looked at again: if the number has passed on to
// another process since, either the mark is not there or the signal goes to the process that is gone.
func (h *hunt) kill(pids []int) (killed []int) {
	var dying []unix.PollFd
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // gone, or the number of a thread
		}
		dying = append(dying, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		if len(h.seek([]int{pid}).marked) == 0 {
			continue
		}
		if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err == nil {
			killed = append(killed, pid)
		}
	}
	until := time.Now().Add(huntWait)
	for i := range dying {
		left := max(time.Until(until).Milliseconds(), 0)
		_, _ = unix.Poll(dying[i:i+1], int(left))
		unix.Close(int(dying[i].Fd))
	}
	return killed
}
