package callback

import (
	"context"
	"fmt"
	"time"
)

// try makes an attempt, if the delivery may still have one. It returns false
// when ctx ended before there was an answer: then nothing is known.
func (d *Deliverer) try(ctx context.Context, delivery Delivery) (s Settlement, told contact, made bool) {
	now := clock()
	s = Settlement{ID: delivery.ID, JobID: delivery.JobID, Destination: delivery.Destination, Attempt: delivery.Attempt, State: Dead, At: now}
	dest, err := ParseDestination(delivery.URL)
	switch {
	case err != nil:
		s.Outcome, s.Error = NotAllowed, "the destination "+err.Error()
		return s, none, true
	case !d.cfg.Allowed(dest):
		s.Outcome, s.Error = NotAllowed, "the configuration does not allow the destination "+dest.Origin()
		return s, none, true
	case now.After(delivery.since().Add(d.cfg.MaxAge)):
		s.Outcome, s.Error = Expired, fmt.Sprintf("not delivered within %v", d.cfg.MaxAge)
		return s, none, true
	case delivery.made() >= d.cfg.Attempts:
		s.Outcome, s.Error = Expired, fmt.Sprintf("not delivered in %d attempts", delivery.made())
		return s, none, true
	}
	s.Attempt++
	got := d.post(ctx, delivery, dest)
	if got.err != nil && ctx.Err() != nil {
		return Settlement{}, none, false
	}
	s.At = clock()
	s.StatusCode, s.Changes = got.status, got.changes
	switch {
	case got.err != nil:
		s.Outcome, s.Error = d.describe(got)
	case got.status >= 200 && got.status <= 299:
		s.Outcome, s.State = Acknowledged, Delivered
		return s, answered, true
	case got.status >= 300 && got.status <= 399:
		s.Outcome, s.Error = Rejected, fmt.Sprintf("the receiver answered %d, and redirects are not followed", got.status)
	default:
		s.Outcome, s.Error = Rejected, fmt.Sprintf("the receiver answered %d", got.status)
	}
	d.plan(&s, delivery, got.retryAfter)
	return s, got.contact(), true
}

// plan decides between another attempt and none after a failed one.
func (d *Deliverer) plan(s *Settlement, delivery Delivery, retryAfter time.Duration) {
	made := delivery.made() + 1
	if made >= d.cfg.Attempts {
		s.Error += fmt.Sprintf("; given up after %d attempts", made)
		return
	}
	next := s.At.Add(max(attemptDelay(made), min(retryAfter, maxDelay)))
	if next.After(delivery.since().Add(d.cfg.MaxAge)) {
		s.Error += fmt.Sprintf("; given up because the next attempt would be later than %v", d.cfg.MaxAge)
		return
	}
	s.State, s.NextAt = Retry, next
}
