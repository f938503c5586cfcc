package reap

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// grace is how long a process has to have been seen as a zombie.
	grace = time.Second
	// calm is the time between a child's end and the look for orphans, in which other ends are waited for. A look reads files of /proc for every
	// thread of this process.
	calm = 100 * time.Millisecond
)

// Reaper waits for orphans until Close. It is safe for concurrent use. A nil Reaper is one that has nothing to do.
type Reaper struct {
	log    *slog.Logger
	reaped atomic.Uint64

	mu       sync.Mutex
	starts   uint64              // how many have begun
	starting map[uint64]struct{} // the numbers of those that have not ended
	owned    map[int]int         // by process number; more than one where a number was used again before release

	stop func()
	done chan struct{}
}

// Start begins to wait for orphans if they come to this process, which is so if it is process 1 of its pid namespace or a child subreaper
// (PR_SET_CHILD_SUBREAPER). If not, it returns nil, which is a Reaper too. A process must have one at most.
func Start(log *slog.Logger) (*Reaper, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	adopts, err := adopting()
	if err != nil || !adopts {
		return nil, err
	}
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return nil, errors.Join(errors.New("reap: /proc does not show this pid namespace"), err)
	}
	r := &Reaper{log: log, starting: make(map[uint64]struct{}), owned: make(map[int]int), done: make(chan struct{})}
	ended := make(chan os.Signal, 1)
	quit := make(chan struct{})
	signal.Notify(ended, unix.SIGCHLD)
	r.stop = sync.OnceFunc(func() {
		signal.Stop(ended)
		close(quit)
	})
	go r.run(ended, quit)
	return r, nil
}

// adopting tells whether orphans come to this process.
func adopting() (bool, error) {
	if os.Getpid() == 1 {
		return true, nil
	}
	var on int32
	if err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&on)), 0, 0, 0); err != nil {
		return false, os.NewSyscallError("prctl PR_GET_CHILD_SUBREAPER", err)
	}
	return on != 0, nil
}

// Own calls start, which makes a child and returns its number, and sees to it that nobody but the caller waits for that child. release must be called
// after the caller has waited for it, once. With an error from start there is no child and release is nil.
func (r *Reaper) Own(start func() (pid int, err error)) (release func(), err error) {
	if r == nil {
		if _, err := start(); err != nil {
			return nil, err
		}
		return func() {}, nil
	}
	r.mu.Lock()
	n := r.starts
	r.starts++
	r.starting[n] = struct{}{}
	r.mu.Unlock()
	pid := 0
	defer func() { // in this order even if start panics
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.starting, n)
		if pid > 0 {
			r.owned[pid]++
		}
	}()
	p, err := start()
	if err != nil {
		return nil, err
	}
	if p <= 0 {
		return nil, fmt.Errorf("reap: %d is not the number of a child", p)
	}
	pid = p
	return sync.OnceFunc(func() { r.release(p) }), nil
}

func (r *Reaper) release(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owned[pid]--; r.owned[pid] <= 0 {
		delete(r.owned, pid)
	}
}

// Reaped returns how many orphans have been waited for.
func (r *Reaper) Reaped() uint64 {
	if r == nil {
		return 0
	}
	return r.reaped.Load()
}

// Close ends the waiting for orphans. Calls after the first do nothing.
func (r *Reaper) Close() {
	if r == nil {
		return
	}
	r.stop()
	<-r.done
}

// run looks for orphans some time after a child has ended, and again for as long as there are zombies that nobody has waited for.
func (r *Reaper) run(ended <-chan os.Signal, quit <-chan struct{}) {
	defer close(r.done)
	timer := time.NewTimer(0) // for what had ended before
	defer timer.Stop()
	var (
		seen  = make(map[int]time.Time)
		set   = true // the timer
		final = true // look once more: /proc can leave out children while others end
	)
	again := func(d time.Duration) {
		timer.Reset(d)
		set = true
	}
	for {
		select {
		case <-quit:
			return
		case <-ended:
			final = true
			if !set {
				again(calm)
			}
		case <-timer.C:
			set = false
			switch {
			case r.look(seen):
				again(calm)
			case final:
				final = false
				again(grace)
			}
		}
	}
}
