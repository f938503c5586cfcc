package journal

import (
	"context"
	"fmt"
	"time"
)

// Delivery is a callback in the outbox.
type Delivery struct {
	ID          string
	JobID       string
	Client      string // whose job it was
	Destination string
	URL         string
	BodySize    int64 // in bytes, 0 once delivered; OpenBody reads it
	CreatedAt   time.Time
	NextAt      time.Time // when the next attempt is due
	SettledAt   time.Time // when it was delivered or given up
	Attempt     int       // attempts made so far
	State       DeliveryState

	// Earlier of the attempts were made before Since, when the delivery was asked for again. Where it was not, these are zero.
	Earlier int
	Since   time.Time

	StatusCode int    // HTTP status of the last attempt; 0 if there was no answer
	LastError  string // of the last attempt
	Changes    string // of the last attempt
	Seq        int64  // order of creation, for paging
}

const (
	deliveryColumns = `delivery_id, job.id, job.client, destination, url, coalesce(body_size, length(body), 0), created_at, next_at, settled_at, attempt, state,
		earlier, since, status_code, last_error, changes, outbox.seq`
	fromOutbox = " FROM outbox JOIN job ON job.seq = outbox.job"
)

func scanDelivery(row scanner) (Delivery, error) {
	var (
		d                             Delivery
		created, next, settled, since nullTime
	)
	err := row.Scan(&d.ID, &d.JobID, &d.Client, &d.Destination, &d.URL, &d.BodySize, &created, &next, &settled, &d.Attempt, &d.State,
		&d.Earlier, &since, &d.StatusCode, &d.LastError, &d.Changes, &d.Seq)
	if err != nil {
		return Delivery{}, err
	}
	d.CreatedAt, d.NextAt, d.SettledAt, d.Since = created.Time, next.Time, settled.Time, since.Time
	return d, nil
}

// Destination is where deliveries wait to go.
type Destination struct {
	Name   string
	NextAt time.Time // when the first delivery is due
}

// Destinations returns up to limit destinations that deliveries wait for, in the order of their names, from the first one behind after. It costs no more with
// many deliveries than with few.
func (r *Reader) Destinations(ctx context.Context, after string, limit int) ([]Destination, error) {
	rows, err := r.db.QueryContext(ctx, `WITH RECURSIVE waiting (name) AS (
			SELECT min(destination) FROM outbox WHERE state = 'pending' AND destination > ?
			UNION ALL SELECT (SELECT min(destination) FROM outbox WHERE state = 'pending' AND destination > waiting.name)
				FROM waiting WHERE waiting.name IS NOT NULL LIMIT ?)
		SELECT name, (SELECT min(next_at) FROM outbox WHERE state = 'pending' AND destination = waiting.name) FROM waiting WHERE name IS NOT NULL`, after, limit)
	if err != nil {
		return nil, wrap("destinations", err)
	}
	all, err := collect(rows, func(row scanner) (d Destination, err error) {
		var next nullTime
		err = row.Scan(&d.Name, &next)
		d.NextAt = next.Time
		return d, err
	})
	return all, wrap("destinations", err)
}

// Due returns up to limit deliveries to a destination that are due at now, the longest due first, and the time at which the first of all its others becomes
// due; that time is zero if there is no other, and not after now if more than limit are due. A delivery is due until it is settled: whoever tries several
// at once keeps track of those that are under way.
func (r *Reader) Due(ctx context.Context, destination string, now time.Time, limit int) (due []Delivery, next time.Time, err error) {
	if limit < 1 {
		return nil, time.Time{}, wrap("due", fmt.Errorf("%w: a limit of %d", ErrInvalid, limit))
	}
	rows, err := r.db.QueryContext(ctx,
		"SELECT "+deliveryColumns+fromOutbox+" WHERE state = 'pending' AND destination = ? ORDER BY next_at, outbox.seq LIMIT ?", destination, limit+1)
	if err != nil {
		return nil, time.Time{}, wrap("due", err)
	}
	defer rows.Close()
	for rows.Next() {
		d, err := scanDelivery(rows)
		if err != nil {
			return nil, time.Time{}, wrap("due", err)
		}
		if len(due) == limit || d.NextAt.After(now) {
			return due, d.NextAt, nil
		}
		due = append(due, d)
	}
	return due, time.Time{}, wrap("due", rows.Err())
}

// Delivery returns one delivery, or ErrNotFound.
func (r *Reader) Delivery(ctx context.Context, id string) (Delivery, error) {
	d, err := scanDelivery(r.db.QueryRowContext(ctx, "SELECT "+deliveryColumns+fromOutbox+" WHERE delivery_id = ?", id))
	return d, wrap("delivery", notFound(err, "delivery "+id))
}

// DeliveryFilter selects deliveries. Its zero value selects the newest hundred.
type DeliveryFilter struct {
	State       DeliveryState // "" means any
	JobID       string        // "" means any
	Client      string        // "" means any
	Destination string        // "" means any
	Before      int64         // only deliveries whose Seq is smaller; 0 means from the newest
	Limit       int           // 0 means 100; at most 1000 are returned
}

// Deliveries lists deliveries, newest first.
func (r *Reader) Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error) {
	var s selection
	switch f.State {
	case "", Delivered:
		s.add(f.State != "", "state = ?", string(f.State))
	case Pending, Dead: // as text, because there are indexes of just these
		s.add(true, "state = '"+string(f.State)+"'")
	default:
		return nil, wrap("deliveries", fmt.Errorf("%w: %q is not a state of a delivery", ErrInvalid, f.State))
	}
	s.add(f.JobID != "", "job.id = ?", f.JobID)
	s.add(f.Client != "", "job.client = ?", f.Client)
	s.add(f.Destination != "", "destination = ?", f.Destination)
	s.add(f.Before != 0, "outbox.seq < ?", f.Before)
	rows, err := r.db.QueryContext(ctx,
		"SELECT "+deliveryColumns+fromOutbox+s.where()+" ORDER BY outbox.seq DESC LIMIT ?", append(s.args, pageSize(f.Limit))...)
	if err != nil {
		return nil, wrap("deliveries", err)
	}
	all, err := collect(rows, scanDelivery)
	return all, wrap("deliveries", err)
}
