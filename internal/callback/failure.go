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

// describe says why an exchange failed. The texts of package http are not used:
// they hold the URL with its query, and pieces of malformed answers.
func (d *Deliverer) describe(err error) string {
	var (
		timeout  net.Error
		lookup   *net.DNSError
		plain    tls.RecordHeaderError
		distrust *tls.CertificateVerificationError
		op       *net.OpError
	)
	var prepare *transformError
	switch {
	case errors.As(err, &prepare):
		return prepare.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %v", d.cfg.Timeout)
	case errors.As(err, &lookup):
		return lookup.Error()
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &plain):
		return "the receiver does not speak TLS"
	case errors.As(err, &distrust):
		return "the receiver's certificate is not trusted"
	case errors.As(err, &op):
		return op.Error() // addresses, and what the system or the dial guard said
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the receiver closed the connection without an answer"
	}
	return "the receiver gave no valid answer"
}

// A transformError says why there was nothing to send.
type transformError struct{ err error }

func (e *transformError) Error() string { return "nothing was sent: " + e.err.Error() }
func (e *transformError) Unwrap() error { return e.err }
