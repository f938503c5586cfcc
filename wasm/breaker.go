package wasm

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// errOpen is the cause of a failure without a call.
var errOpen = errors.New("it has failed too often in a row, and is not called for a moment")

// A caller is for whom failures are counted: a client, in one phase. Clients are apart so that one who
// can make a plugin fail at will cannot turn it off for others; phases, so that a request that fails
// does not hold back the results of commands that have run.
type caller struct {
	client string
	phase  Phase
}

// A breaker counts the failures in a row of one plugin for each caller. It is safe for concurrent use.
type breaker struct {
	limit    int           // so many in a row open it
	coolDown time.Duration // for so long; then one call is tried
	now      func() time.Time

	// streaks is how many entries there are below, so that nothing is locked while all is well.
	streaks   atomic.Int64
	successes [3]atomic.Uint64 // by phase, as in phases

	mu       sync.Mutex
	byCaller map[caller]*streak
}

// A streak is a caller's failures since its last success.
type streak struct {
	failures  int
	openUntil time.Time // zero while it is closed
	trying    bool      // the one call after the cool-down is under way
	successes uint64    // of everybody in this phase, when the streak began
}

func newBreaker(limit int, coolDown time.Duration, now func() time.Time) *breaker {
	return &breaker{limit: limit, coolDown: coolDown, now: now, byCaller: make(map[caller]*streak)}
}

// allow reports whether a call may be made, and whether it is the one that is tried after the
// cool-down. Each that may be made must be followed by settle or forget, unless it is dry: those are
// neither counted nor tried.
func (b *breaker) allow(c caller, dry bool) (ok, trial bool) {
	if b.streaks.Load() == 0 {
		return true, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byCaller[c]
	switch {
	case s == nil || s.openUntil.IsZero():
		return true, false
	case b.now().Before(s.openUntil):
		return false, false
	case dry:
		return true, false
	case s.trying:
		return false, false
	}
	s.trying = true
	return true, true
}

// settle counts a call that ended, and reports whether it opened the breaker.
func (b *breaker) settle(c caller, trial, failed bool) (opened bool) {
	if !failed {
		b.succeeded(c)
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byCaller[c]
	if s == nil {
		s = &streak{successes: b.successes[phaseIndex(c.phase)].Load()}
		b.byCaller[c] = s
		b.streaks.Add(1)
	}
	s.failures++
	if trial {
		s.trying = false
	}
	if s.failures < b.limit {
		return false
	}
	opened = s.failures == b.limit
	s.openUntil = b.now().Add(b.coolDown)
	return opened
}

// succeeded ends the caller's streak.
func (b *breaker) succeeded(c caller) {
	b.successes[phaseIndex(c.phase)].Add(1)
	if b.streaks.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byCaller[c] != nil {
		delete(b.byCaller, c)
		b.streaks.Add(-1)
	}
}

// forget takes back a call that says nothing about the plugin.
func (b *breaker) forget(c caller, trial bool) {
	if !trial {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.byCaller[c]; s != nil {
		s.trying = false
	}
}

// state returns for how many callers it is open, and whether the plugin is to be called healthy. It is
// not where it is open for somebody and nobody has had a success in that phase since the failures
// began: a client that breaks a plugin for itself while it works for others is that client's trouble.
func (b *breaker) state() (open int, healthy bool) {
	if b.streaks.Load() == 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	healthy = true
	now := b.now()
	for c, s := range b.byCaller {
		if s.openUntil.IsZero() || !now.Before(s.openUntil) {
			continue
		}
		open++
		if b.successes[phaseIndex(c.phase)].Load() == s.successes {
			healthy = false
		}
	}
	return open, healthy
}
