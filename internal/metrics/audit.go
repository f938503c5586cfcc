package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Audit is how far the audit log is written, signed and sent out.
type Audit struct {
	Leaves   int64     // written
	Signed   int64     // leaves that the newest checkpoint stands for; 0 while there is none
	SignedAt time.Time // of that
	Broken   bool      // it is not what was signed before, and is signed no more
	Sinks    []Sink
}

// Sink is how a place fares that checkpoints are sent to.
type Sink struct {
	Name     string
	Leaves   int64     // that the newest checkpoint it has stands for
	Failures int       // in a row
	Since    time.Time // of the first of these; zero without
}

// unsigned is how many leaves no checkpoint stands for, without the one that tells of the last checkpoint itself.
func (a Audit) unsigned() int64 {
	if a.Signed == 0 {
		return a.Leaves
	}
	return max(0, a.Leaves-a.Signed-1)
}

func auditFigures(read func() Audit) *figures {
	f := new(figures)
	leaves := f.gauge("audit_leaves", "Entries of the audit log.")
	signed := f.gauge("audit_checkpoint_leaves", "Entries that the newest checkpoint stands for.")
	unsigned := f.gauge("audit_unsigned_leaves", "Entries that no checkpoint stands for yet.")
	signedAt := f.gauge("audit_checkpoint_timestamp_seconds", "When the newest checkpoint was signed; 0 if there is none.")
	broken := f.gauge("audit_broken", "1 if the audit log contradicts what was signed of it, and is signed no more.")
	sent := f.gauge("audit_sink_leaves", "Entries that the newest checkpoint stands for which the sink has.", "sink")
	failures := f.gauge("audit_sink_failed_attempts", "Attempts to send a checkpoint to the sink that failed in a row.", "sink")
	failing := f.gauge("audit_sink_failing_seconds", "How long ago the first of these attempts was; 0 if the last one did not fail.", "sink")
	f.read = func(out chan<- prometheus.Metric) {
		a := read()
		leaves(out, float64(a.Leaves))
		signed(out, float64(a.Signed))
		unsigned(out, float64(a.unsigned()))
		signedAt(out, stamp(a.SignedAt))
		broken(out, truth(a.Broken))
		for _, s := range a.Sinks {
			sent(out, float64(s.Leaves), s.Name)
			failures(out, float64(s.Failures), s.Name)
			failing(out, age(s.Since), s.Name)
		}
	}
	return f
}
