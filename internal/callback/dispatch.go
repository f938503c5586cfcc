package callback

import (
	"context"
	"log/slog"
	"time"
)

const (
	// idlePoll is how long Run sleeps at most before it asks the store for all
	// destinations, so that a changed clock and a delivery added by another
	// process are noticed.
	idlePoll = time.Minute
	// minSleep keeps Run from spinning, whatever the store says is next.
	minSleep = 10 * time.Millisecond
	// surveyPage is how many destinations are asked for at once.
	surveyPage = 256
)

// dispatch starts what is due and has room, and returns how long there is
// nothing more to do, unless an attempt ends or Wake is called.
func (d *Deliverer) dispatch(ctx context.Context) time.Duration {
	if now := time.Now(); !now.Before(d.surveyAt) {
		if err := d.survey(ctx); err != nil {
			wait := d.trouble.next()
			d.storeFailed(ctx, "cannot read who callbacks are due for", err, wait)
			return wait
		}
		d.surveyAt = now.Add(idlePoll)
		d.trouble.reset()
	}
	now := clock()
	for failed := false; ctx.Err() == nil; {
		l := d.lanes.pick(now)
		if l == nil {
			break
		}
		err := d.serve(ctx, l, now)
		if err == nil {
			d.trouble.reset()
			continue
		}
		d.storeFailed(ctx, "cannot read the callbacks that are due", err, d.lanes.unreadable(l))
		if failed {
			return d.trouble.next()
		}
		failed = true // but it may be wrong with this lane only
	}
	return d.lanes.wait(now, time.Until(d.surveyAt))
}

// survey asks the store for every destination that something waits for.
func (d *Deliverer) survey(ctx context.Context) error {
	d.lanes.forget()
	for after := ""; ; {
		page, err := d.cfg.Store.Waiting(ctx, after, surveyPage)
		if err != nil {
			return err
		}
		for _, w := range page {
			d.lanes.noted(w.Destination, w.NextAt)
			after = w.Destination
		}
		if len(page) < surveyPage {
			return nil
		}
	}
}

// serve starts one attempt in a lane whose turn it is, if something is due there
// that is not under way.
func (d *Deliverer) serve(ctx context.Context, l *lane, now time.Time) error {
	busy := d.lanes.look(l)
	// Everything under way is due still, and must not hide what is not.
	due, next, err := d.cfg.Store.Due(ctx, l.name, now, busy+1)
	if err != nil {
		d.lanes.noted(l.name, now)
		return err
	}
	for i, delivery := range due {
		p, ok, underWay := d.lanes.take(l, delivery)
		if underWay {
			continue
		}
		if ok {
			d.attempts.Go(func() { d.attempt(ctx, p, delivery) })
			i++
		}
		if i < len(due) {
			next = now
		}
		d.lanes.due(l, next)
		return nil
	}
	if !next.IsZero() && !next.After(now) {
		next = now.Add(minSleep) // what hides it is let go in a moment
	}
	d.lanes.due(l, next)
	return nil
}

// attempt makes one attempt and commits what came of it. Its place is kept until
// then: while nothing can be committed, nothing more is sent than there are
// places.
func (d *Deliverer) attempt(ctx context.Context, p place, delivery Delivery) {
	traced := func(Settlement) {}
	if d.cfg.Trace != nil {
		delivery.Traceparent, traced = d.cfg.Trace(ctx, delivery)
	}
	s, contact, made := d.try(ctx, delivery)
	traced(s)
	next := clock() // where it is not known what became of it, it is due still
	if made {
		d.report(ctx, s)
		d.counts.add(s)
		if d.settle(ctx, s) {
			next = s.NextAt
		}
	}
	d.lanes.release(p, contact, next)
	d.nudge()
}

// report logs an outcome, without anything secret.
func (d *Deliverer) report(ctx context.Context, s Settlement) {
	level := slog.LevelDebug
	switch s.State {
	case Retry:
		level = slog.LevelWarn
	case Dead:
		level = slog.LevelError
	}
	d.log.LogAttrs(ctx, level, "callback "+string(s.State),
		slog.String("delivery", s.ID), slog.String("job", s.JobID),
		slog.String("destination", s.Destination), slog.Int("attempt", s.Attempt),
		slog.Int("status", s.StatusCode), slog.String("error", s.Error))
}

// storeFailed logs a failure of the store, which is left alone for a while.
func (d *Deliverer) storeFailed(ctx context.Context, what string, err error, wait time.Duration) {
	if ctx.Err() == nil {
		d.log.LogAttrs(ctx, slog.LevelError, what, slog.Any("error", err), slog.Duration("again_in", wait))
	}
}
