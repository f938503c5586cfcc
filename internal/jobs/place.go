package jobs

import "context"

// Place is a right to run one job: a slot, or a place in the line. Whoever reserved it uses it once with Go or gives it back with Release, so that
// `defer place.Release()` after Reserve is right on every path. Its methods are safe for concurrent use.
type Place struct {
	q         *Queue
	client    string
	immediate bool
	used      bool // guarded by q.mu
}

// Reserve takes a slot for a client if one is free, otherwise a waiting place. It answers ErrFull when both are taken and ErrClosed once Drain was called. A client
// that has no waiting place gets one also where others have taken all: nobody keeps another out of the line.
func (q *Queue) Reserve(client string) (*Place, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := &Place{q: q, client: client}
	switch {
	case q.draining:
		return nil, ErrClosed
	case q.free > 0:
		q.free--
		q.active++
		p.immediate = true
	case q.places < q.length, q.length > 0 && q.held[client] == 0:
		q.takePlace(client)
	default:
		return nil, ErrFull
	}
	return p, nil
}

// Immediate tells whether the place holds a slot, so that its job runs as soon as Go is called: "accepted" and "running" may then be one commit.
// It is settled by Reserve and does not change when a slot becomes free later.
func (p *Place) Immediate() bool { return p.immediate }

// Go hands the job over: run is called on its own goroutine as soon as a slot is free; clients take turns, and the jobs of each are
// in the order of the calls to Go. The context that run gets is
// cancelled by Cancel (cause ErrCancelled) and at the end of Drain's grace (cause ErrShutdown); it may be cancelled before run is called, so run looks
// at it before it starts anything. A panic of run is recovered and logged, and the slot becomes free.
//
// The returned channel is closed if Drain left the job without ever calling run; it is nil, and never ready, when the place is Immediate, because
// such a job always runs. Callers that do not wait for the job ignore it.
//
// Go panics if the place was used or released before, or if a job with this ID is in the queue: a job would run twice, or without a slot.
func (p *Place) Go(id string, run func(context.Context)) (left <-chan struct{}) {
	q := p.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if p.used {
		panic("jobs: a place was used twice")
	}
	e := q.newEntry(id, p.client, run)
	p.used = true
	if p.immediate {
		q.start(e)
		return nil
	}
	return q.enqueue(e)
}

// Release gives an unused place back. After Go or another Release it does nothing.
func (p *Place) Release() {
	q := p.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if p.used {
		return
	}
	p.used = true
	if p.immediate {
		q.active--
		q.freeSlot()
		return
	}
	q.leavePlace(p.client)
}

// takePlace counts a waiting place as taken. The caller holds q.mu.
func (q *Queue) takePlace(client string) {
	q.places++
	q.held[client]++
}

// leavePlace counts it as free again. The caller holds q.mu.
func (q *Queue) leavePlace(client string) {
	q.places--
	if q.held[client]--; q.held[client] == 0 {
		delete(q.held, client)
	}
}

// AdmitStored enqueues a job that was promised before a restart. It is never refused, even beyond Config.Length; new jobs are, until the line is
// short enough again. Its order, run, the channel and the panic on a known ID are those of Place.Go.
func (q *Queue) AdmitStored(id, client string, run func(context.Context)) (left <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.newEntry(id, client, run)
	q.takePlace(client)
	return q.enqueue(e)
}
