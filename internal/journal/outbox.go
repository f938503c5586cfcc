package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// DeliveryState is where a callback is in its life.
type DeliveryState string

// The states of a delivery. Nothing leaves the last two.
const (
	Pending   DeliveryState = "pending"   // to be delivered at NextAt
	Delivered DeliveryState = "delivered" // acknowledged by the receiver
	Dead      DeliveryState = "dead"      // given up
)

// Delivery is a callback in the outbox.
type Delivery struct {
	ID        string
	JobID     string
	URL       string
	Body      []byte // nil once delivered, and in listings
	CreatedAt time.Time
	NextAt    time.Time // when the next attempt is due
	SettledAt time.Time // when it was delivered or given up
	Attempt   int       // attempts made so far
	State     DeliveryState

	StatusCode int    // HTTP status of the last attempt; 0 if there was no answer
	LastError  string // of the last attempt
	Changes    string // of the last attempt
	Seq        int64  // order of creation, for paging
}

// Settlement is what became of one attempt.
type Settlement struct {
	DeliveryID string
	Attempt    int           // attempts made, with this one
	State      DeliveryState // Pending means: try again at NextAt
	NextAt     time.Time     // needed if State is Pending
	StatusCode int
	Error      string // for people; cut after 1,000 bytes, because a receiver may have written it
	Changes    string // what was done to the message of the attempt; opaque to the journal
	At         time.Time
}

const (
	maxErrorLength  = 1000
	deliveryColumns = `delivery_id, job.id, url, created_at, next_at, settled_at, attempt, state, status_code, last_error, changes, outbox.seq, `
	fromOutbox      = " FROM outbox JOIN job ON job.seq = outbox.job"
)

// Due returns up to limit deliveries that are due at now, the longest due first, and the time at which the first of all the others becomes due; that
// time is zero if there is no other, and not after now if more than limit are due. A delivery is due until it is settled: whoever tries several at once
// keeps track of those that are under way.
func (j *Journal) Due(ctx context.Context, now time.Time, limit int) (due []Delivery, next time.Time, err error) {
	if limit < 1 {
		return nil, time.Time{}, wrap("due", fmt.Errorf("%w: a limit of %d", ErrInvalid, limit))
	}
	rows, err := j.readers.QueryContext(ctx,
		"SELECT "+deliveryColumns+"body"+fromOutbox+" WHERE state = 'pending' ORDER BY next_at, outbox.seq LIMIT ?", limit+1)
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

func (s *Settlement) check() error {
	switch {
	case s.State == Pending && s.NextAt.IsZero():
		return fmt.Errorf("%w: a retry needs its time", ErrInvalid)
	case s.State != Pending && s.State != Delivered && s.State != Dead:
		return fmt.Errorf("%w: %q is not a state of a delivery", ErrInvalid, s.State)
	case s.At.IsZero():
		return fmt.Errorf("%w: an attempt ends at some time", ErrInvalid)
	}
	return nil
}

// Settle commits the result of an attempt: durability point D. Until it returned nil the delivery must be tried again. It answers ErrState if the
// delivery was settled before and ErrNotFound if there is none. The low-water mark does not hold it back.
func (j *Journal) Settle(ctx context.Context, s Settlement) error {
	if err := s.check(); err != nil {
		return wrap("settle", err)
	}
	s.Error = strings.ToValidUTF8(s.Error[:min(len(s.Error), maxErrorLength)], "\uFFFD")
	return j.writer.do(ctx, op{name: "settle", size: len(s.Error) + len(s.Changes), run: s.store})
}

func (s Settlement) store(st *statements) error {
	var (
		seq int64
		now DeliveryState
	)
	switch err := st.deliveryState.QueryRow(s.DeliveryID).Scan(&seq, &now); {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: delivery %s", ErrNotFound, s.DeliveryID)
	case err != nil:
		return err
	case now != Pending:
		return fmt.Errorf("%w: delivery %s is %s already", ErrState, s.DeliveryID, now)
	}
	next, settled := s.NextAt, time.Time{}
	if s.State != Pending {
		next, settled = s.At, s.At
	}
	return st.exec(st.settleDelivery, string(s.State), s.Attempt, next.UnixMicro(), micros(settled), s.StatusCode, s.Error, s.Changes, s.State == Delivered, seq)
}

// DeliveryFilter selects deliveries. Its zero value selects the newest hundred.
type DeliveryFilter struct {
	State  DeliveryState // "" means any
	JobID  string        // "" means any
	Before int64         // only deliveries whose Seq is smaller; 0 means from the newest
	Limit  int           // 0 means 100; at most 1000 are returned
}

// Deliveries lists deliveries, newest first, without their bodies.
func (j *Journal) Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error) {
	var s selection
	s.add(f.State != "", "state = ?", string(f.State))
	s.add(f.JobID != "", "job.id = ?", f.JobID)
	s.add(f.Before != 0, "outbox.seq < ?", f.Before)
	rows, err := j.readers.QueryContext(ctx,
		"SELECT "+deliveryColumns+"NULL"+fromOutbox+s.where()+" ORDER BY outbox.seq DESC LIMIT ?", append(s.args, pageSize(f.Limit))...)
	if err != nil {
		return nil, wrap("deliveries", err)
	}
	all, err := collect(rows, scanDelivery)
	return all, wrap("deliveries", err)
}

func scanDelivery(row scanner) (Delivery, error) {
	var (
		d                      Delivery
		created, next, settled nullTime
	)
	err := row.Scan(&d.ID, &d.JobID, &d.URL, &created, &next, &settled, &d.Attempt, &d.State, &d.StatusCode, &d.LastError, &d.Changes, &d.Seq, &d.Body)
	if err != nil {
		return Delivery{}, err
	}
	d.CreatedAt, d.NextAt, d.SettledAt = created.Time, next.Time, settled.Time
	return d, nil
}
