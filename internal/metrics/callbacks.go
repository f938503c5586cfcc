package metrics

import "github.com/prometheus/client_golang/prometheus"

// Callbacks is what the delivery of callbacks does now, and did since the start.
type Callbacks struct {
	UnderWay     int // attempts
	Destinations int // that something waits for or is under way to
	Unreachable  int // of these, those that the last attempts found no connection to
	Settled      map[string]uint64
	GivenUp      uint64
}

func callbackFigures(read func() Callbacks) *figures {
	f := new(figures)
	underWay := f.gauge("callback_attempts_in_flight", "Attempts to deliver a callback that are going on.")
	destinations := f.gauge("callback_destinations", "Destinations that a callback waits for or is under way to.")
	unreachable := f.gauge("callback_destinations_unreachable", "Of these, those that the last attempts found no connection to.")
	settled := f.counter("callback_outcomes_total", "Attempts to deliver a callback, and decisions to make none, by outcome.", "outcome")
	givenUp := f.counter("callbacks_given_up_total", "Callbacks that were given up.")
	f.read = func(out chan<- prometheus.Metric) {
		c := read()
		underWay(out, float64(c.UnderWay))
		destinations(out, float64(c.Destinations))
		unreachable(out, float64(c.Unreachable))
		for outcome, n := range c.Settled {
			settled(out, float64(n), outcome)
		}
		givenUp(out, float64(c.GivenUp))
	}
	return f
}
