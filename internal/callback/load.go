package callback

import (
	"sync"
	"time"
)

const (
	// slowAfter is how long attempts to a receiver may be under way without any
	// of them succeeding before it counts as slow.
	slowAfter = 2 * time.Second
	// failedFor is how long a receiver counts as failing after its last failure.
	failedFor = time.Minute
)

// A load is what is under way, at most so much in all and per receiver. It is
// safe for concurrent use.
type load struct {
	mu          sync.Mutex
	limit       int
	perReceiver int
	underWay    map[string]bool // by delivery ID
	ended       map[string]bool // by delivery ID, those released since look
	receivers   map[string]*receiverLoad
}

// A receiverLoad is what is known of one receiver.
type receiverLoad struct {
	busy     int       // attempts under way
	since    time.Time // when it last began to be busy, or last succeeded
	failedAt time.Time // zero after a success
}

// A place is the answer to the wish for one.
type place int

const (
	taken        place = iota // begin
	underWay                  // the same delivery is under way, or just was
	receiverFull              // its receiver has enough
	full                      // there is no room at all
)

func newLoad(limit, perReceiver int) load {
	return load{
		limit: limit, perReceiver: perReceiver,
		underWay: make(map[string]bool), ended: make(map[string]bool), receivers: make(map[string]*receiverLoad),
	}
}

// look must be called before the store is read. A delivery that was under way
// then may be among what was read, and have ended since: taking it would make it
// again although it was acknowledged. So until the next look it is not taken.
func (l *load) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.ended)
}

// room reports whether anything can be taken.
func (l *load) room() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.underWay) < l.limit
}

// take asks for a place, which release gives back.
func (l *load) take(id, receiver string, now time.Time) place {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.underWay[id] || l.ended[id]:
		return underWay
	case len(l.underWay) >= l.limit:
		return full
	}
	r := l.receivers[receiver]
	if r == nil {
		r = new(receiverLoad)
		l.receivers[receiver] = r
	}
	if r.busy >= l.perReceiver {
		return receiverFull
	}
	if r.busy == 0 {
		r.since = now
	}
	r.busy++
	l.underWay[id] = true
	return taken
}

// release gives a place back and remembers how the receiver did. state is empty
// when nothing is known.
func (l *load) release(id, receiver string, now time.Time, state State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.underWay, id)
	l.ended[id] = true
	r := l.receivers[receiver]
	r.busy--
	switch state {
	case Delivered:
		r.since, r.failedAt = now, time.Time{}
	case Retry, Dead:
		r.failedAt = now
	}
	l.prune(now)
}

// slow reports whether a receiver fails, or hangs for all that is known.
func (l *load) slow(receiver string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.receivers[receiver]
	return r != nil && (r.failing(now) || r.busy > 0 && now.Sub(r.since) >= slowAfter)
}

func (r *receiverLoad) failing(now time.Time) bool {
	return !r.failedAt.IsZero() && now.Sub(r.failedAt) < failedFor
}

// prune forgets receivers of which nothing needs to be known.
func (l *load) prune(now time.Time) {
	for name, r := range l.receivers {
		if r.busy == 0 && !r.failing(now) {
			delete(l.receivers, name)
		}
	}
}
