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

// The states of a delivery. Nothing leaves Delivered, and only Retry leads out of Dead.
const (
	Pending   DeliveryState = "pending"   // to be delivered at NextAt
	Delivered DeliveryState = "delivered" // acknowledged by the receiver
	Dead      DeliveryState = "dead"      // given up
)

const maxErrorLength = 1000

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

	Leaf []byte // for the audit; nil for none
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
	leaves, err := optionalLeaf(s.Leaf)
	if err != nil {
		return wrap("settle", err)
	}
	s.Error = strings.ToValidUTF8(s.Error[:min(len(s.Error), maxErrorLength)], "\uFFFD")
	var file string
	err = j.writer.do(ctx, op{name: "settle", size: len(s.Error) + len(s.Changes), leaves: leaves, run: func(st *statements) (err error) {
		file, err = s.store(st)
		return err
	}})
	if err == nil {
		j.spool.remove(file)
	}
	return err
}

// store returns the file that the message was in, if that is not needed any more.
func (s Settlement) store(st *statements) (file string, err error) {
	d, err := st.delivery(s.DeliveryID)
	if err != nil {
		return "", err
	}
	if d.state != Pending {
		return "", fmt.Errorf("%w: delivery %s is %s already", ErrState, s.DeliveryID, d.state)
	}
	next, settled := s.NextAt, time.Time{}
	if s.State != Pending {
		next, settled = s.At, s.At
	}
	err = st.exec(st.settleDelivery, string(s.State), s.Attempt, next.UnixMicro(), micros(settled), s.StatusCode, s.Error, s.Changes,
		s.State == Delivered, d.seq)
	if err != nil || s.State != Delivered {
		return "", err
	}
	st.counts.stored -= d.size
	return d.file.String, nil
}

// Retry makes a delivery due at the given time that waits or was given up, with its attempts and its time anew, and returns its destination. The number of
// an attempt is never used twice: they go on from Attempt, and Earlier says how many do not count. It answers ErrState if the delivery was made, and
// ErrNotFound if there is none. A leaf of the audit is committed with it, unless it is nil.
func (j *Journal) Retry(ctx context.Context, deliveryID string, at time.Time, leaf []byte) (destination string, err error) {
	if at.IsZero() {
		return "", wrap("retry", fmt.Errorf("%w: a retry needs its time", ErrInvalid))
	}
	leaves, err := optionalLeaf(leaf)
	if err != nil {
		return "", wrap("retry", err)
	}
	err = j.writer.do(ctx, op{name: "retry", leaves: leaves, run: func(st *statements) error {
		err := st.retryDelivery.QueryRow(at.UnixMicro(), deliveryID).Scan(&destination)
		st.touched = err == nil
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err = st.delivery(deliveryID); err == nil {
			err = fmt.Errorf("%w: delivery %s is %s already", ErrState, deliveryID, Delivered)
		}
		return err
	}})
	return destination, err
}

// deliveryRow is what the writer looks at of a delivery.
type deliveryRow struct {
	seq   int64
	state DeliveryState
	file  sql.NullString // that its message is in, if it is in one
	size  int64          // of its message
}

func (st *statements) delivery(id string) (d deliveryRow, err error) {
	err = st.deliveryState.QueryRow(id).Scan(&d.seq, &d.state, &d.file, &d.size)
	return d, notFound(err, "delivery "+id)
}
