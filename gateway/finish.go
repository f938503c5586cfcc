package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/sidegate/sidegate/internal/journal"
)

// finishTries bounds how long a job waits for its outcome to be recorded: about twenty seconds.
const finishTries = 12

// finish commits durability point C, before any reply and any callback. Where the disk has no room for it, output gives way at once: c is shortened, and is what
// was recorded when finish returns nil. While the journal cannot be written at all, it tries finishTries times; then it answers the error, and goes on trying
// in the background until the outcome is on record or the gateway has drained. late is called when that comes about. Output that cannot be read back is
// journal.ErrContent, at once.
func (g *Gateway) finish(req Request, c *conclusion, late func()) error {
	defer req.trace.Child(stageRecord).End()
	err := g.tryFinish(g.outcome(req, *c), g.finishTries, noUseOfAll)
	if err == nil || final(err) {
		return err
	}
	// What is tried from now on is in memory, and takes no more room than every end has.
	if err := c.shorten(); err != nil {
		return err
	}
	o := g.outcome(req, *c)
	if errors.Is(err, journal.ErrNoSpace) {
		if err = g.tryFinish(o, g.finishTries, final); err == nil || final(err) {
			return err
		}
	}
	g.log.Error("the outcome of a job cannot be recorded yet", "job", req.ID, "error", err, req.traceAttr())
	g.unrecorded.Go(func() {
		if err := g.tryFinish(o, 0, final); err != nil {
			g.log.Error("the outcome of a job was not recorded; the next start will report it as interrupted", "job", o.JobID, "error", err)
			return
		}
		g.log.Info("the outcome of a job is recorded at last", "job", o.JobID, "status", o.Status)
		late()
	})
	return err
}

// final tells whether trying again would not help.
func final(err error) bool {
	return errors.Is(err, journal.ErrState) || errors.Is(err, journal.ErrContent)
}

// noUseOfAll tells whether trying again with all of the output would not help.
func noUseOfAll(err error) bool { return final(err) || errors.Is(err, journal.ErrNoSpace) }

// tryFinish tries so many times, or with 0 until the gateway has drained, as long as it is not hopeless.
func (g *Gateway) tryFinish(o journal.Outcome, tries int, hopeless func(error) bool) error {
	defer g.stage(nil, stageRecord).over()
	pause := 20 * time.Millisecond
	for try := 1; ; try++ {
		err := g.journal.Finish(context.Background(), o)
		if err == nil {
			g.metrics.ended(o)
		}
		if err == nil || hopeless(err) || try == tries {
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
