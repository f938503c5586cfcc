package daemon

import (
	"context"
	"time"

	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/journal"
)

// outbox lets the delivery of callbacks work on the journal, which knows nothing of HTTP.
type outbox struct{ journal *journal.Journal }

var _ callback.Store = outbox{}

// Due implements callback.Store.
func (o outbox) Due(ctx context.Context, now time.Time, limit int) ([]callback.Delivery, time.Time, error) {
	rows, next, err := o.journal.Due(ctx, now, limit)
	if err != nil {
		return nil, time.Time{}, err
	}
	due := make([]callback.Delivery, len(rows))
	for i, r := range rows {
		due[i] = callback.Delivery{ID: r.ID, JobID: r.JobID, URL: r.URL, Body: r.Body, Attempt: r.Attempt, CreatedAt: r.CreatedAt}
	}
	return due, next, nil
}

// Settle implements callback.Store.
func (o outbox) Settle(ctx context.Context, s callback.Settlement) error {
	return o.journal.Settle(ctx, journal.Settlement{
		DeliveryID: s.ID, Attempt: s.Attempt, State: states[s.State], NextAt: s.NextAt, StatusCode: s.StatusCode, Error: s.Error, Changes: s.Changes, At: s.At,
	})
}

// states names what becomes of a delivery in the journal's words. A state without a row is refused by the journal.
var states = map[callback.State]journal.DeliveryState{
	callback.Delivered: journal.Delivered,
	callback.Retry:     journal.Pending,
	callback.Dead:      journal.Dead,
}
