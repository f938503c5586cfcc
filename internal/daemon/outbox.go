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

// Waiting implements callback.Store.
func (o outbox) Waiting(ctx context.Context, after string, limit int) ([]callback.Waiting, error) {
	list, err := o.journal.Destinations(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	waiting := make([]callback.Waiting, len(list))
	for i, d := range list {
		waiting[i] = callback.Waiting{Destination: d.Name, NextAt: d.NextAt}
	}
	return waiting, nil
}

// Due implements callback.Store.
func (o outbox) Due(ctx context.Context, destination string, now time.Time, limit int) ([]callback.Delivery, time.Time, error) {
	rows, next, err := o.journal.Due(ctx, destination, now, limit)
	if err != nil {
		return nil, time.Time{}, err
	}
	due := make([]callback.Delivery, len(rows))
	for i, r := range rows {
		due[i] = callback.Delivery{
			ID: r.ID, JobID: r.JobID, Destination: r.Destination, URL: r.URL, BodySize: r.BodySize, Attempt: r.Attempt, CreatedAt: r.CreatedAt,
			Earlier: r.Earlier, Since: r.Since,
		}
	}
	return due, next, nil
}

// Body implements callback.Store.
func (o outbox) Body(ctx context.Context, id string) (callback.Body, error) {
	content, err := o.journal.OpenBody(ctx, id)
	if err != nil {
		return nil, err // and not a Body that is a nil pointer
	}
	return content, nil
}

// Settle implements callback.Store.
func (o outbox) Settle(ctx context.Context, s callback.Settlement) error {
	return o.journal.Settle(ctx, journal.Settlement{
		DeliveryID: s.ID, Attempt: s.Attempt, State: states[s.State], NextAt: s.NextAt, StatusCode: s.StatusCode, Error: s.Error, Changes: s.Changes, At: s.At, Leaf: callbackLeaf(s),
	})
}

// Retry implements callback.Store.
func (o outbox) Retry(ctx context.Context, id string, at time.Time) (destination string, err error) {
	return o.journal.Retry(ctx, id, at, retriedLeaf(id, at))
}

// states names what becomes of a delivery in the journal's words. A state without a row is refused by the journal.
var states = map[callback.State]journal.DeliveryState{
	callback.Delivered: journal.Delivered,
	callback.Retry:     journal.Pending,
	callback.Dead:      journal.Dead,
}
