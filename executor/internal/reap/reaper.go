package reap

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

// Reaper waits for strangers until Close: for children that this process has not made. It is safe for concurrent use. A nil Reaper waits for
// nothing, and its Own does no more than to start.
type Reaper struct {
	*watch
	leave func()
}

// watch is what all Reapers of this process share: two that do not know of each other would wait for each other's children.
type watch struct {
	log    *slog.Logger
	reaped atomic.Uint64

	mu       sync.Mutex
	starts   uint64              // how many have begun
	starting map[uint64]struct{} // the numbers of those that have not ended
	owned    map[int]int         // by process number; more than one where a number was used again before release

	stop func()
	done chan struct{}
}

// watching is the watch of this process, while there are Reapers.
var watching struct {
	sync.Mutex
	*watch
	reapers int
}

// Start begins to wait for strangers, or joins the Reapers that do; what there is to say is said to the log of the first of them. It fails where /proc
// does not show the pid namespace of this process: then nothing can be found out about its children.
func Start(log *slog.Logger) (*Reaper, error) {
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return nil, errors.Join(errors.New("reap: /proc does not show this pid namespace"), err)
	}
	watching.Lock()
	defer watching.Unlock()
	if watching.reapers == 0 {
		watching.watch = newWatch(log)
		watching.begin()
	}
	watching.reapers++
	return &Reaper{watching.watch, sync.OnceFunc(endOne)}, nil
}

// endOne ends the watch with the last Reaper.
func endOne() {
	watching.Lock()
	defer watching.Unlock()
	if watching.reapers--; watching.reapers == 0 {
		watching.stop()
		<-watching.done
	}
}

func newWatch(log *slog.Logger) *watch {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &watch{log: log, starting: make(map[uint64]struct{}), owned: make(map[int]int), done: make(chan struct{})}
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
	return r.own(start)
}

func (w *watch) own(start func() (pid int, err error)) (release func(), err error) {
	w.mu.Lock()
	n := w.starts
	w.starts++
	w.starting[n] = struct{}{}
	w.mu.Unlock()
	pid := 0
	defer func() { // in this order even if start panics
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.starting, n)
		if pid > 0 {
			w.owned[pid]++
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
	return sync.OnceFunc(func() { w.release(p) }), nil
}

func (w *watch) release(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.owned[pid]--; w.owned[pid] <= 0 {
		delete(w.owned, pid)
	}
}

// Reaped returns how many strangers have been waited for, by this Reaper or by others while there was one.
func (r *Reaper) Reaped() uint64 {
	if r == nil {
		return 0
	}
	return r.reaped.Load()
}

// Close ends the waiting for strangers, if this was the last Reaper. Calls after the first do nothing.
func (r *Reaper) Close() {
	if r != nil {
		r.leave()
	}
}
