package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Queue is what the queue does now.
type Queue struct {
	Running, Waiting int
	OldestWait       time.Duration
}

func queueFigures(read func() Queue) *figures {
	f := new(figures)
	running := f.gauge("jobs_running", "Jobs that hold a slot.")
	waiting := f.gauge("jobs_waiting", "Jobs that wait for a slot.")
	oldest := f.gauge("jobs_oldest_wait_seconds", "How long the first job in line has waited; 0 if none waits.")
	f.read = func(out chan<- prometheus.Metric) {
		q := read()
		running(out, float64(q.Running))
		waiting(out, float64(q.Waiting))
		oldest(out, q.OldestWait.Seconds())
	}
	return f
}

// Limits are those of the configuration that other figures are held against, and of observe mode.
type Limits struct {
	Slots, Places int   // jobs that may run, and wait, at once
	LowWater      int64 // bytes of free space below which no new work is taken, beside the ballast
	Observing     bool  // what the policy denies runs all the same
}

func limitFigures(read func() Limits) *figures {
	f := new(figures)
	slots := f.gauge("jobs_slots", "Jobs that may run at once.")
	places := f.gauge("jobs_places", "Jobs that may wait.")
	low := f.gauge("journal_low_water_bytes", "Free space below which no new work is taken.")
	observing := f.gauge("observing", "1 while observe mode lets through what the policy denies.")
	f.read = func(out chan<- prometheus.Metric) {
		l := read()
		slots(out, float64(l.Slots))
		places(out, float64(l.Places))
		low(out, float64(l.LowWater))
		observing(out, truth(l.Observing))
	}
	return f
}

// Profile says what of a sandbox profile this host enforces.
type Profile struct {
	Name              string
	Available         bool
	Enforced, Missing []string // features
}

func sandboxFigures(read func() []Profile) *figures {
	f := new(figures)
	available := f.gauge("sandbox_profile_available", "1 if this host can enforce the profile.", "profile")
	enforced := f.gauge("sandbox_feature_enforced", "1 if this host enforces the feature for jobs of the profile.", "profile", "feature")
	f.read = func(out chan<- prometheus.Metric) {
		for _, p := range read() {
			available(out, truth(p.Available), p.Name)
			for _, feature := range p.Enforced {
				enforced(out, 1, p.Name, feature)
			}
			for _, feature := range p.Missing {
				enforced(out, 0, p.Name, feature)
			}
		}
	}
	return f
}
