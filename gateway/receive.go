package gateway

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/journal"
)

// receive reads the raw body, up to its cap, and refuses what no client of this route sends.
func (g *Gateway) receive(w http.ResponseWriter, r *http.Request) (auth.Message, error) {
	none := auth.Message{}
	switch {
	case g.closing.Load():
		return none, &Error{Code: ShuttingDown, Message: "the gateway is shutting down; try again", RetryAfter: 5 * time.Second}
	case r.URL.RawQuery != "" || r.URL.ForceQuery:
		// The signature does not cover the query, so nothing may depend on it.
		return none, invalid(&FieldError{"query", "this route takes none, because the signature does not cover it"})
	case r.Header.Get("Content-Encoding") != "":
		return none, invalid(&FieldError{"Content-Encoding", "is not supported; send the JSON as it is"})
	}
	if ct := r.Header.Get("Content-Type"); ct != "" {
		if media, _, err := mime.ParseMediaType(ct); err != nil || media != "application/json" {
			return none, invalid(&FieldError{"Content-Type", "must be application/json"})
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, g.limits.Body))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return none, &Error{Code: TooLarge, Message: "the body is larger than limits.body allows"}
	case err != nil:
		return none, &Error{Code: InvalidRequest, Message: "body: did not arrive whole", Cause: err}
	}
	// The body is there: from now on only the command's own timeout counts.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return auth.Message{Method: r.Method, Path: r.URL.EscapedPath(), Header: r.Header, Body: body}, nil
}

// authenticate verifies the signature, counts the call against its client's rate, and reserves the nonce in memory. The
// nonce comes last: a call that is turned away for its rate may be sent again as it is.
func (g *Gateway) authenticate(m auth.Message) (auth.Principal, auth.Nonce, error) {
	now := g.now()
	principal, nonce, err := g.verifier.Verify(now, m)
	switch {
	case errors.Is(err, auth.ErrUnsigned):
		return principal, nonce, &Error{Code: Unsigned, Message: "the request is not signed: X-Auth-Nonce, X-Auth-Timestamp and X-Auth-Signature are required"}
	case errors.Is(err, auth.ErrStale):
		return principal, nonce, stale()
	case err != nil:
		return principal, nonce, &Error{Code: BadSignature, Message: "the signature is not that of a known client; compare the secret"}
	}
	if !g.limiter(principal.Client).AllowN(now, 1) {
		return principal, nonce, &Error{Code: RateLimited, Message: "this client sends more calls than limits.rate allows; try again", RetryAfter: time.Second}
	}
	switch err := g.verifier.Reserve(nonce); {
	case errors.Is(err, auth.ErrReplayed):
		return principal, nonce, replayed()
	case err != nil: // it grew too old between the two checks
		return principal, nonce, stale()
	}
	return principal, nonce, nil
}

// request adds to an order who sent it, from where, and when.
func (g *Gateway) request(r *http.Request, principal auth.Principal, order Order) Request {
	source, _ := netip.ParseAddrPort(r.RemoteAddr) // a Unix socket's peer has none
	return Request{ID: newID(), Time: g.now().UTC(), SourceIP: source.Addr().Unmap(), Principal: principal, Order: order}
}

// spend commits the nonce of a request that was refused.
func (g *Gateway) spend(ctx context.Context, nonce auth.Nonce) *Error {
	if err := g.journal.Admit(ctx, journal.Admission{Nonce: journal.Nonce(nonce), At: g.now()}); err != nil {
		return g.notAdmitted(nonce, err)
	}
	return nil
}

// notAdmitted says why the journal did not take a request. Nothing has run.
func (g *Gateway) notAdmitted(nonce auth.Nonce, err error) *Error {
	switch {
	case errors.Is(err, journal.ErrNonceUsed):
		return replayed()
	case errors.Is(err, journal.ErrNonceForgotten):
		return stale()
	}
	g.verifier.Release(nonce)
	return &Error{Code: JournalUnavailable, Message: "the journal cannot be written, so nothing was run; look at the gateway's disk and log", Cause: err, RetryAfter: 10 * time.Second}
}

func stale() *Error {
	return &Error{Code: StaleTimestamp, Message: "the timestamp is outside the accepted window; compare the clocks of caller and host"}
}

func replayed() *Error {
	return &Error{Code: ReplayedNonce, Message: "this request was received before: every call needs a nonce of its own"}
}

func invalid(err error) *Error {
	return &Error{Code: InvalidRequest, Message: "invalid request: " + err.Error()}
}

// refusal turns any error of the line into what the caller is told. What has no code of its own is a fault of the
// gateway, and its text stays in the log.
func (g *Gateway) refusal(err error) *Error {
	var refusal *Error
	if !errors.As(err, &refusal) {
		refusal = &Error{Code: Internal, Message: "the gateway failed; its log says why", Cause: err}
	}
	return refusal
}

// newID returns a UUIDv7: unique, and in the order of its making.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
