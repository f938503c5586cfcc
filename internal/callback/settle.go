package callback

import (
	"context"
	"log/slog"
	"time"
)

const (
	// settleTimeout bounds one commit, which goes on after Run's context ended:
	// what is known should not be lost.
	settleTimeout = 10 * time.Second
	// settleTries is after how many failed commits, about a quarter of an hour,
	// an outcome is dropped. The delivery is then made again, if it is due
	// still: so a store that refuses one outcome for ever cannot hold a place
	// for ever, and the receiver is not hammered either.
	settleTries = 20
	// makeWayFirst and makeWaySpread say how far deliveries are moved back.
	makeWayFirst  = 15 * time.Second
	makeWaySpread = 45 * time.Second
)

// settle commits an outcome, trying again until it succeeds, ctx ends, or there
// is no point in it any more.
func (d *Deliverer) settle(ctx context.Context, s Settlement) {
	var trouble backoff
	for range settleTries {
		err := d.commit(ctx, s)
		if err == nil {
			return
		}
		wait := trouble.next()
		d.log.LogAttrs(ctx, slog.LevelError, "cannot record the outcome of a callback, which may be delivered again",
			slog.String("delivery", s.ID), slog.Any("error", err), slog.Duration("again_in", wait))
		if !sleep(ctx, wait) {
			return
		}
	}
}

func (d *Deliverer) commit(ctx context.Context, s Settlement) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return d.cfg.Store.Settle(ctx, s)
}

// makeWay handles a page of due deliveries of which some wait for a receiver
// that has no room, while there is room for others, which may be behind them.
// Those that wait for a slow or failing receiver are moved back, each to another
// moment; a receiver that is merely busy will have room soon.
func (d *Deliverer) makeWay(ctx context.Context, now time.Time, blocked []Delivery) time.Duration {
	moved := false
	for _, delivery := range blocked {
		if !d.load.slow(receiver(delivery), now) {
			continue
		}
		err := d.commit(ctx, Settlement{
			ID: delivery.ID, Attempt: delivery.Attempt, State: Retry, At: now,
			NextAt: now.Add(makeWayFirst + jitter(makeWaySpread)),
			Error:  "waits, because the receiver is slow or fails",
		})
		if err != nil {
			return d.storeFailed(ctx, "cannot move a callback back", err)
		}
		moved = true
	}
	if moved {
		return 0 // look at what was behind them
	}
	return slowAfter // by then a receiver that hangs is a slow one
}

// storeFailed logs a failure of the store and returns how long to leave it alone.
func (d *Deliverer) storeFailed(ctx context.Context, what string, err error) time.Duration {
	wait := d.trouble.next()
	if ctx.Err() == nil {
		d.log.LogAttrs(ctx, slog.LevelError, what, slog.Any("error", err), slog.Duration("again_in", wait))
	}
	return wait
}

// sleep waits, and returns false when ctx ended first.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
