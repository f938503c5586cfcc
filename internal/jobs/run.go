package jobs

import (
	"context"
	"runtime/debug"
	"time"
)

// entry is one job in the queue, in line or running.
type entry struct {
	id     string
	client string
	run    func(context.Context)
	ctx    context.Context
	cancel context.CancelCauseFunc
	left   chan struct{}
	since  time.Time // when it joined the line

	in         *fifo  // nil where it is not in line
	prev, next *entry // neighbours there
}

// newEntry registers a job. The caller holds q.mu.
func (q *Queue) newEntry(id, client string, run func(context.Context)) *entry {
	if _, ok := q.known[id]; ok {
		panic("jobs: job " + id + " is in the queue already")
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	e := &entry{id: id, client: client, run: run, ctx: ctx, cancel: cancel}
	q.known[id] = e
	return e
}

// enqueue puts a job that holds a waiting place into the line, or straight into a slot when one is free. The caller holds q.mu.
func (q *Queue) enqueue(e *entry) <-chan struct{} {
	e.left = make(chan struct{})
	switch {
	case q.draining:
		q.leavePlace(e.client)
		q.abandon(e)
	case q.free > 0:
		q.leavePlace(e.client)
		q.free--
		q.active++
		q.start(e)
	default:
		e.since = time.Now()
		q.line.push(e)
	}
	return e.left
}

// start runs a job in a slot that is already counted as taken and active. The caller holds q.mu.
func (q *Queue) start(e *entry) {
	q.running++
	if q.forced {
		e.cancel(ErrShutdown)
	}
	go func() {
		defer func() {
			e.cancel(nil)
			q.mu.Lock()
			defer q.mu.Unlock()
			delete(q.known, e.id)
			q.running--
			q.active--
			q.freeSlot()
		}()
		q.guard(e)
	}()
}

// end calls run of a job that was cancelled in line; it holds its waiting place until run returns.
func (q *Queue) end(e *entry) {
	defer func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.known, e.id)
		q.leavePlace(e.client)
		q.active--
		q.checkIdle()
	}()
	q.guard(e)
}

// guard calls run and keeps its panic from ending the process. The panic is a bug of the gateway, so it is logged with its stack; the job's record in
// the journal is whatever run left there, and a restart turns it into "interrupted".
func (q *Queue) guard(e *entry) {
	defer func() {
		if v := recover(); v != nil {
			q.log.Error("a job panicked", "job", e.id, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	e.run(e.ctx)
}

// freeSlot passes a slot to the next in line, or puts it back. The caller holds q.mu, and no longer counts the slot as active.
func (q *Queue) freeSlot() {
	if e := q.line.pop(); e != nil {
		q.leavePlace(e.client)
		q.active++
		q.start(e)
		return
	}
	q.free++
	q.checkIdle()
}
