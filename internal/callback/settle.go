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
)

// settle commits an outcome, trying again until it succeeds, ctx ends, or there
// is no point in it any more. It reports whether it succeeded.
func (d *Deliverer) settle(ctx context.Context, s Settlement) bool {
	var trouble backoff
	for range settleTries {
		err := d.commit(ctx, s)
		if err == nil {
			return true
		}
		wait := trouble.next()
		d.log.LogAttrs(ctx, slog.LevelError, "cannot record the outcome of a callback, which may be delivered again",
			slog.String("delivery", s.ID), slog.Any("error", err), slog.Duration("again_in", wait))
		if !sleep(ctx, wait) {
			return false
		}
	}
	return false
}

func (d *Deliverer) commit(ctx context.Context, s Settlement) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return d.cfg.Store.Settle(ctx, s)
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
