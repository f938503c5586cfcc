package callback

import "sync"

// An Outcome is a kind of result of an attempt, or of the decision to make none.
type Outcome string

// The outcomes of settlements.
const (
	Acknowledged Outcome = "acknowledged" // an answer of 2xx
	Rejected     Outcome = "rejected"     // another answer
	TimedOut     Outcome = "timed_out"    // a connection, and no answer in time
	Broken       Outcome = "broken"       // a connection that was closed, or an answer that is not one
	Unreachable  Outcome = "unreachable"  // no connection: name, address, or TLS
	Forbidden    Outcome = "forbidden"    // the dial guard refused the address
	NotSent      Outcome = "not_sent"     // there was nothing to send: a plugin failed, or the body cannot be read
	NotAllowed   Outcome = "not_allowed"  // no attempt: the configuration does not allow the destination
	Expired      Outcome = "expired"      // no attempt: too many were made, or it is too old
)

// Stats are numbers about a Deliverer. How many deliveries wait, are dead, and since when, the store knows.
type Stats struct {
	UnderWay     int                // attempts at this moment
	Destinations int                // that something waits for or is under way to, as far as known
	Unreachable  int                // of these, those that cannot be reached: tried now and then, until there is a connection
	Settled      map[Outcome]uint64 // since New, by outcome, whether or not it could be recorded
	Dead         uint64             // since New, those of Settled that were given up
}

// Stats returns numbers for metrics.
func (d *Deliverer) Stats() Stats {
	var s Stats
	s.UnderWay, s.Destinations, s.Unreachable = d.lanes.stats()
	s.Settled, s.Dead = d.counts.all()
	return s
}

// counts counts what settlements say. The zero value is ready; it is safe for concurrent use.
type counts struct {
	mu        sync.Mutex
	byOutcome map[Outcome]uint64
	dead      uint64
}

func (c *counts) add(s Settlement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byOutcome == nil {
		c.byOutcome = make(map[Outcome]uint64)
	}
	c.byOutcome[s.Outcome]++
	if s.State == Dead {
		c.dead++
	}
}

// all returns every outcome, also those that have not been.
func (c *counts) all() (byOutcome map[Outcome]uint64, dead uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	byOutcome = make(map[Outcome]uint64)
	for _, o := range []Outcome{Acknowledged, Rejected, TimedOut, Broken, Unreachable, Forbidden, NotSent, NotAllowed, Expired} {
		byOutcome[o] = c.byOutcome[o]
	}
	return byOutcome, c.dead
}
