package callback

import "time"

const (
	// unreachableAfter is how many attempts in a row that found no connection make a destination unreachable.
	unreachableAfter = 3
	// The bounds of the pause before an unreachable destination is tried again.
	firstPause = time.Second
	maxPause   = 30 * time.Second
	// forgetAfter is how long a destination is remembered that nothing waits for.
	forgetAfter = time.Hour
)

// A contact is what an attempt tells about the destination.
type contact int

const (
	none      contact = iota // nothing: there was no attempt, or nothing was sent
	unreached                // no connection
	silent                   // a connection and no answer
	answered                 // an answer, whatever it says
)

// A lane is what is known of one destination.
type lane struct {
	name string
	next time.Time // when a delivery may be due, by the wall clock; zero: none waits
	busy int       // attempts under way

	big      bool // the delivery that is next has a large body
	bigBusy  int  // attempts with a large body under way
	last     contact
	failures int       // attempts in a row that found no connection
	paused   time.Time // until when nothing is tried, by the monotonic clock
	trouble  backoff   // of the store, with this lane
	turn     uint64    // when an attempt began last, counted
	usedAt   time.Time // when an attempt ended last, by the monotonic clock
}

// due notes that a delivery may be due at some time; zero notes nothing.
func (l *lane) due(at time.Time) {
	if !at.IsZero() && (l.next.IsZero() || at.Before(l.next)) {
		l.next = at
	}
}

// doubtful reports whether attempts may hang, for all that is known: the last one had no answer, or there was none.
func (l *lane) doubtful() bool { return l.last != answered }

// unreachable reports whether the last attempts found no connection.
func (l *lane) unreachable() bool { return l.failures >= unreachableAfter }

// most is how many attempts there may be at once, of the given number at other times: one is enough to find out whether the destination is back.
func (l *lane) most(limit int) int {
	if l.unreachable() {
		return 1
	}
	return limit
}

// learn takes in what an attempt told.
func (l *lane) learn(c contact, now time.Time) {
	l.usedAt = now
	switch c {
	case none:
		return
	case unreached:
		l.failures++
		if l.unreachable() {
			l.paused = now.Add(jitter(doubled(firstPause, l.failures-unreachableAfter+1, maxPause)))
		}
	case silent, answered:
		l.failures, l.paused = 0, time.Time{}
	}
	l.last = c
}

// wait is how long nothing of the lane can be tried: until something is due and the pause is over. It is negative where nothing waits.
func (l *lane) wait(wall, monotonic time.Time) time.Duration {
	if l.next.IsZero() {
		return -1
	}
	return max(0, l.next.Sub(wall), l.paused.Sub(monotonic))
}

// idle reports whether the lane can be forgotten.
func (l *lane) idle(now time.Time) bool {
	return l.next.IsZero() && l.busy == 0 && now.Sub(l.usedAt) >= forgetAfter
}
