package callback

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// describe says why there was no answer, as a kind and for people. The texts of
// package http are not used: they hold the URL with its query, and pieces of
// malformed answers.
func (d *Deliverer) describe(e exchange) (Outcome, string) {
	var (
		notSent  *notSentError
		guard    interface{ Refused() bool }
		timeout  net.Error
		lookup   *net.DNSError
		plain    tls.RecordHeaderError
		distrust *tls.CertificateVerificationError
		op       *net.OpError
	)
	lost := Unreachable
	if e.connected {
		lost = Broken
	}
	switch err := e.err; {
	case errors.As(err, &notSent):
		return NotSent, notSent.Error()
	case errors.As(err, &guard) && guard.Refused() && errors.As(err, &op):
		return Forbidden, op.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		if e.connected {
			return TimedOut, fmt.Sprintf("no answer within %v", d.cfg.Timeout)
		}
		return Unreachable, "no connection in time"
	case errors.As(err, &lookup):
		return lost, lookup.Error()
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &plain):
		return lost, "the receiver does not speak TLS"
	case errors.As(err, &distrust):
		return lost, "the receiver's certificate is not trusted"
	case errors.As(err, &op):
		return lost, op.Error() // addresses, and what the system or the dial guard said
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return lost, "the receiver closed the connection without an answer"
	}
	return lost, "the receiver gave no valid answer"
}

// A notSentError says why there was nothing to send.
type notSentError struct{ err error }

func (e *notSentError) Error() string { return "nothing was sent: " + e.err.Error() }
func (e *notSentError) Unwrap() error { return e.err }
