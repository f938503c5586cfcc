package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

var (
	// ErrFull says that every slot and every waiting place is taken.
	ErrFull = errors.New("jobs: the queue is full")
	// ErrClosed says that the queue is draining and takes no new job.
	ErrClosed = errors.New("jobs: the queue is shutting down")
	// The next two stand in the journal and in what people are shown, as the reason of the job's end.

	// ErrCancelled is the cause (context.Cause) of a job's context when Cancel ended it.
	ErrCancelled = errors.New("cancelled")
	// ErrShutdown is the cause of a job's context when Drain's grace ended before the job did.
	ErrShutdown = errors.New("the gateway is shutting down")
)

// Config is what New needs.
type Config struct {
	Concurrency int // jobs that run at once; at least 1
	// Length is how many jobs may wait beside the running ones, and one more of each client that has none among them; 0 means that nothing waits.
	Length int
	Logger *slog.Logger // where a panic of a job is reported; nil means slog.Default()
}

// Queue is a bounded queue with Concurrency slots. Who waits is served in turns by client, and the jobs of one client first in, first out. All methods are safe for concurrent use. It holds no goroutine while no job
// runs; Drain ends it.
type Queue struct {
	length int
	log    *slog.Logger

	mu       sync.Mutex
	free     int               // slots that nobody holds; above zero only while line is empty
	places   int               // waiting places that are taken: reserved, in line, or ending after a cancel
	held     map[string]int    // those places by client, where it has any
	line     line              // jobs that wait for a slot
	known    map[string]*entry // jobs in line or running, by ID
	active   int               // goroutines of jobs, and slots reserved and not yet used: what Drain waits for
	running  int               // jobs that hold a slot and have started
	draining bool
	forced   bool          // Drain's grace is over: a job that starts now starts cancelled
	idle     chan struct{} // closed once the queue drains and active is zero
}

// New returns an empty queue.
func New(c Config) (*Queue, error) {
	if c.Concurrency < 1 {
		return nil, fmt.Errorf("jobs: concurrency must be at least 1, not %d", c.Concurrency)
	}
	if c.Length < 0 {
		return nil, fmt.Errorf("jobs: length must not be negative, but is %d", c.Length)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Queue{
		length: c.Length,
		log:    c.Logger,
		free:   c.Concurrency,
		held:   make(map[string]int),
		known:  make(map[string]*entry),
		idle:   make(chan struct{}),
	}, nil
}

// Cancel ends the job with this ID and tells whether it was found. The context of a running job is cancelled with ErrCancelled. A waiting job leaves
// the line, and its run is called at once, without a slot and with a context that is already cancelled, so that it can record its end; until run
// returns it still takes a waiting place, so that submitting and cancelling cannot outgrow the queue. An ID is known from Go to the end of run.
func (q *Queue) Cancel(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e, ok := q.known[id]
	if !ok {
		return false
	}
	e.cancel(ErrCancelled)
	if q.line.remove(e) {
		q.active++
		go q.end(e)
	}
	return true
}

// Drain stops the queue. From the call on Reserve answers ErrClosed, and jobs that have not started are left: their run is not called and the channel
// that Go returned for them is closed. Running jobs, and places that hold a slot and were reserved before, get until ctx ends; then their contexts
// are cancelled with ErrShutdown. Drain returns when the last run has returned, however long that takes: nil when all ended by themselves, otherwise
// the cause of ctx's end. Every Place that is Immediate must be used or released, or Drain waits for ever. It may be called more than once.
func (q *Queue) Drain(ctx context.Context) error {
	q.stop()
	select {
	case <-q.idle:
		return nil
	default:
	}
	select {
	case <-q.idle:
		return nil
	case <-ctx.Done():
	}
	q.force()
	<-q.idle
	return context.Cause(ctx)
}

// stop refuses new work and leaves the waiting jobs.
func (q *Queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.draining {
		return
	}
	q.draining = true
	for e := q.line.pop(); e != nil; e = q.line.pop() {
		q.leavePlace(e.client)
		q.abandon(e)
	}
	q.checkIdle()
}

// abandon leaves a job that never started. The caller holds q.mu and has taken e out of the line.
func (q *Queue) abandon(e *entry) {
	delete(q.known, e.id)
	e.cancel(ErrShutdown)
	close(e.left)
}

// force cancels everything that still runs.
func (q *Queue) force() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forced = true
	for _, e := range q.known {
		e.cancel(ErrShutdown)
	}
}

// checkIdle wakes Drain when nothing is left to wait for. The caller holds q.mu.
func (q *Queue) checkIdle() {
	if !q.draining || q.active > 0 {
		return
	}
	select {
	case <-q.idle:
	default:
		close(q.idle)
	}
}

// Stats is a snapshot of a Queue.
type Stats struct {
	Running    int           // jobs that hold a slot and have started
	Waiting    int           // jobs that wait for a slot
	OldestWait time.Duration // how long the one has waited that waits longest; 0 when nobody waits
}

// Stats returns what the queue does at this moment.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Stats{Running: q.running, Waiting: q.line.len}
	if since := q.line.oldest(); !since.IsZero() {
		s.OldestWait = time.Since(since)
	}
	return s
}
