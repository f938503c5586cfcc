package callback

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxDrain is how many bytes of an answer are read, and drainTime is for how
	// long, to be able to use the connection again. What is longer costs the
	// connection.
	maxDrain  = 64 << 10
	drainTime = time.Second
	// smallBody is the size in bytes up to which a body is sent from memory.
	smallBody = 64 << 10
)

// An exchange is what matters of a request and its answer.
type exchange struct {
	err        error // there was no answer
	connected  bool
	status     int
	retryAfter time.Duration
	changes    string // of the message that was sent
}

// contact is what the exchange tells about the destination.
func (e exchange) contact() contact {
	switch _, notSent := e.err.(*notSentError); {
	case notSent:
		return none
	case e.err == nil:
		return answered
	case e.connected:
		return silent
	}
	return unreached
}

// post sends the delivery once.
func (d *Deliverer) post(ctx context.Context, delivery Delivery, dest Destination) (e exchange) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	stored, err := d.open(ctx, delivery)
	if err != nil {
		e.err = &notSentError{err}
		return e
	}
	// The transport may still be reading when it has an answer: that fails then, and does no harm.
	defer stored.Close()
	req, changes, err := d.request(ctx, delivery, dest, stored)
	if err != nil {
		e.err = &notSentError{err}
		return e
	}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	resp, err := d.client.Do(req.WithContext(ctx))
	e.err, e.connected, e.changes = err, connected.Load(), changes
	if err != nil {
		return e
	}
	defer resp.Body.Close()
	// After a switch of protocols the body would be the connection itself.
	if resp.StatusCode != http.StatusSwitchingProtocols {
		// The status is the answer, so an unfinished body is no failure.
		enough := time.AfterFunc(drainTime, cancel)
		defer enough.Stop()
		_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)
	}
	e.status, e.retryAfter = resp.StatusCode, retryAfter(resp)
	return e
}

// open opens the stored body. One that is not what was stored is not sent to anybody.
func (d *Deliverer) open(ctx context.Context, delivery Delivery) (Body, error) {
	stored, err := d.cfg.Store.Body(ctx, delivery.ID)
	if err != nil {
		return nil, fmt.Errorf("its body cannot be read: %w", err)
	}
	if err := stored.Verify(); err != nil {
		stored.Close()
		return nil, fmt.Errorf("its body cannot be read: %w", err)
	}
	return stored, nil
}

// request is what an attempt sends, and what was changed for it.
func (d *Deliverer) request(ctx context.Context, delivery Delivery, dest Destination, stored Body) (_ *http.Request, changes string, err error) {
	var message Message
	if d.cfg.Transform != nil {
		if message, err = d.cfg.Transform(ctx, delivery, stored); err != nil {
			return nil, "", err
		}
	}
	header := http.Header{"Content-Type": {"application/json"}}
	for name, values := range message.Header {
		if name = http.CanonicalHeaderKey(name); !settable(name) {
			return nil, "", fmt.Errorf("the header %s cannot be set", name)
		}
		header[name] = values
	}
	body, size := io.ReaderAt(stored), stored.Size()
	if message.Body != nil {
		body, size = bytes.NewReader(message.Body), int64(len(message.Body))
	}
	header.Set("User-Agent", userAgent)
	if delivery.Traceparent != "" {
		header.Set("Traceparent", delivery.Traceparent)
		header.Del("Tracestate") // that of another trace
	}
	header.Set(HeaderDelivery, delivery.ID)
	header.Set(HeaderAttempt, strconv.Itoa(delivery.Attempt+1))
	if secrets := *d.secrets.Load(); len(secrets) > 0 {
		if err := sign(header, secrets, delivery.ID, clock(), body, size); err != nil {
			return nil, "", fmt.Errorf("its body cannot be read: %w", err)
		}
	}
	req, err := newPost(dest.String(), body, size)
	if err != nil {
		return nil, "", err
	}
	req.Header = header
	return req, message.Changes, nil
}

// newPost is a request with a body that is not read into memory unless it is small: then it leaves in one piece with the headers.
func newPost(url string, body io.ReaderAt, size int64) (*http.Request, error) {
	if size <= smallBody {
		all, err := io.ReadAll(io.NewSectionReader(body, 0, size))
		if err != nil {
			return nil, fmt.Errorf("its body cannot be read: %w", err)
		}
		return http.NewRequest(http.MethodPost, url, bytes.NewReader(all))
	}
	req, err := http.NewRequest(http.MethodPost, url, nil)
	if err != nil {
		return nil, err
	}
	// A kept connection may turn out to be closed, and then the transport begins again.
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(body, 0, size)), nil }
	req.ContentLength = size
	req.Body, err = req.GetBody()
	return req, err
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
