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
// until the outcome is on record or the gateway has drained. late is called when that comes about. Output that cannot be read
// back is journal.ErrContent, at once.
func (g *Gateway) finish(req Request, c conclusion, late func()) error {
	err := g.tryFinish(outcomeOf(req, c), g.finishTries)
	if err == nil || final(err) {
		return err
	}
	g.log.Error("the outcome of a job cannot be recorded yet", "job", req.ID, "error", err)
	o := outcomeOf(req, c.withoutOutput())
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

// final tells whether trying again would not help.
func final(err error) bool {
	return errors.Is(err, journal.ErrState) || errors.Is(err, journal.ErrContent)
}

// tryFinish tries so many times, or with 0 until the gateway has drained.
func (g *Gateway) tryFinish(o journal.Outcome, tries int) error {
	defer g.metrics.stage(stageRecord)()
	pause := 20 * time.Millisecond
	for try := 1; ; try++ {
		err := g.journal.Finish(context.Background(), o)
		if err == nil {
			g.metrics.ended(o)
		}
		if err == nil || final(err) || try == tries {
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
