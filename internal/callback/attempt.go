package callback

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxDrain is how much of an answer is read, to be able to use the connection
// again. What is longer costs the connection.
const maxDrain = 64 << 10

// The headers of a delivery.
const (
	HeaderDelivery = "X-Sidegate-Delivery" // its ID, to recognize a repetition
	HeaderAttempt  = "X-Sidegate-Attempt"  // 1 for the first
)

// try makes an attempt, if the delivery may still have one. It returns false
// when ctx ended before there was an answer: then nothing is known.
func (d *Deliverer) try(ctx context.Context, delivery Delivery) (s Settlement, made bool) {
	now := clock()
	s = Settlement{ID: delivery.ID, Attempt: delivery.Attempt, State: Dead, At: now}
	dest, err := ParseDestination(delivery.URL)
	switch {
	case err != nil:
		s.Error = "the destination " + err.Error()
		return s, true
	case !d.cfg.Allowed(dest):
		s.Error = "the configuration does not allow the destination " + dest.Origin()
		return s, true
	case now.After(delivery.CreatedAt.Add(d.cfg.MaxAge)):
		s.Error = fmt.Sprintf("not delivered within %v", d.cfg.MaxAge)
		return s, true
	case delivery.Attempt >= d.cfg.Attempts:
		s.Error = fmt.Sprintf("not delivered in %d attempts", delivery.Attempt)
		return s, true
	}
	s.Attempt++
	got, err := d.post(ctx, delivery, dest)
	if err != nil && ctx.Err() != nil {
		return Settlement{}, false
	}
	s.At = clock()
	s.StatusCode, s.Changes = got.status, got.changes
	switch {
	case err != nil:
		s.Error = d.describe(err)
	case got.status >= 200 && got.status <= 299:
		s.State = Delivered
		return s, true
	case got.status >= 300 && got.status <= 399:
		s.Error = fmt.Sprintf("the receiver answered %d, and redirects are not followed", got.status)
	default:
		s.Error = fmt.Sprintf("the receiver answered %d", got.status)
	}
	d.plan(&s, delivery, got.retryAfter)
	return s, true
}

// plan decides between another attempt and none after a failed one.
func (d *Deliverer) plan(s *Settlement, delivery Delivery, retryAfter time.Duration) {
	if s.Attempt >= d.cfg.Attempts {
		s.Error += fmt.Sprintf("; given up after %d attempts", s.Attempt)
		return
	}
	next := s.At.Add(max(attemptDelay(s.Attempt), min(retryAfter, maxDelay)))
	if next.After(delivery.CreatedAt.Add(d.cfg.MaxAge)) {
		s.Error += fmt.Sprintf("; given up because the next attempt would be later than %v", d.cfg.MaxAge)
		return
	}
	s.State, s.NextAt = Retry, next
}

// An answer is what matters of a receiver's response.
type answer struct {
	status     int
	retryAfter time.Duration
	changes    string // of the message that it answers
}

// post sends the delivery once.
func (d *Deliverer) post(ctx context.Context, delivery Delivery, dest Destination) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	message, err := d.message(ctx, delivery)
	if err != nil {
		return answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, dest.String(), bytes.NewReader(message.Body))
	if err != nil {
		return answer{}, err
	}
	for name, values := range message.Header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", d.cfg.UserAgent)
	req.Header.Set(HeaderDelivery, delivery.ID)
	req.Header.Set(HeaderAttempt, strconv.Itoa(delivery.Attempt+1))
	resp, err := d.client.Do(req)
	if err != nil {
		return answer{changes: message.Changes}, err
	}
	defer resp.Body.Close()
	// After a switch of protocols the body would be the connection itself.
	if resp.StatusCode != http.StatusSwitchingProtocols {
		// The status is the answer, so an unfinished body is no failure.
		io.CopyN(io.Discard, resp.Body, maxDrain)
	}
	return answer{resp.StatusCode, retryAfter(resp), message.Changes}, nil
}

// message is what an attempt sends.
func (d *Deliverer) message(ctx context.Context, delivery Delivery) (Message, error) {
	message := Message{Body: delivery.Body}
	if d.cfg.Transform != nil {
		var err error
		if message, err = d.cfg.Transform(ctx, delivery); err != nil {
			return Message{}, &transformError{err}
		}
	}
	header := http.Header{"Content-Type": {"application/json"}}
	for name, values := range message.Header {
		if name = http.CanonicalHeaderKey(name); !settable(name) {
			return Message{}, &transformError{fmt.Errorf("the header %s cannot be set", name)}
		}
		header[name] = values
	}
	message.Header = header
	return message, nil
}

// settable tells whether a transformation may set the header of this canonical name.
func settable(name string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Upgrade", "Expect":
		return false
	}
	return !strings.HasPrefix(name, "X-Sidegate-")
}

// retryAfter reads Retry-After (RFC 9110, 10.2.3) where it is meant for us.
func retryAfter(resp *http.Response) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	value := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(clock()))
	}
	return 0
}
