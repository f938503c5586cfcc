package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/sidegate/sidegate/internal/journal"
)

// finishTries bounds how long a job waits for its outcome to be recorded: about twenty seconds.
const finishTries = 12

// finish commits durability point C, before any reply and any callback. While the journal cannot be written it tries
// finishTries times; then it answers the error, and goes on trying in the background without the output, which takes the room,
// until the outcome is on record or the gateway has drained. late is called when that comes about.
func (g *Gateway) finish(o journal.Outcome, late func()) error {
	err := g.tryFinish(o, g.finishTries)
	if err == nil || errors.Is(err, journal.ErrState) {
		return err
	}
	g.log.Error("the outcome of a job cannot be recorded yet", "job", o.JobID, "error", err)
	o.Stdout, o.Stderr = withoutData(o.Stdout), withoutData(o.Stderr)
	g.unrecorded.Go(func() {
		if err := g.tryFinish(o, 0); err != nil {
			g.log.Error("the outcome of a job was not recorded; the next start will report it as interrupted", "job", o.JobID, "error", err)
			return
		}
		g.log.Info("the outcome of a job is recorded at last, without its output", "job", o.JobID, "status", o.Status)
		late()
	})
	return err
}

// tryFinish tries so many times, or with 0 until the gateway has drained.
func (g *Gateway) tryFinish(o journal.Outcome, tries int) error {
	pause := 20 * time.Millisecond
	for try := 1; ; try++ {
		err := g.journal.Finish(context.Background(), o)
		if err == nil || errors.Is(err, journal.ErrState) || try == tries {
			return err
		}
		select {
		case <-time.After(pause):
		case <-g.drained:
			return err
		}
		pause = min(2*pause, 5*time.Second)
	}
}

// withoutData is a stream of which nothing was kept.
func withoutData(s journal.Stream) journal.Stream {
	return journal.Stream{Bytes: s.Bytes, Truncated: s.Truncated || s.Bytes > 0}
}
