package gateway

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"os"
	"strings"
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
		return none, shuttingDown()
	case r.URL.RawQuery != "" || r.URL.ForceQuery:
		// The signature does not cover the query, so nothing may depend on it.
		return none, invalid(&FieldError{"query", "this route takes none, because the signature does not cover it"})
	}
	if err := isJSON(r.Header); err != nil {
		return none, err
	}
	tooLarge := &Error{Code: TooLarge, Message: fmt.Sprintf("the body is larger than the %d bytes that limits.body allows", g.limits.Body)}
	if r.ContentLength > g.limits.Body {
		return none, tooLarge // at once: nobody has to send it first
	}
	arriving := &arrival{from: http.MaxBytesReader(uncounted(w), r.Body, g.limits.Body), g: g}
	body, err := io.ReadAll(arriving)
	arriving.over()
	var overrun *http.MaxBytesError
	switch {
	case errors.Is(err, errArriving):
		return none, overloaded()
	case errors.As(err, &overrun):
		return none, tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return none, &Error{Code: RequestTimeout, Message: fmt.Sprintf("the body did not arrive within %v", g.bodyTime), Cause: err}
	case err != nil:
		return none, &Error{Code: InvalidRequest, Message: "body: did not arrive whole", Cause: err}
	}
	// The body is there: from now on only the command's own timeout counts.
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Time{})
	_ = connection.SetWriteDeadline(time.Time{})
	return auth.MessageOf(r, body), nil
}

// isJSON refuses bodies that say they are anything else. One that says nothing is taken as JSON.
func isJSON(h http.Header) error {
	if len(h.Values("Content-Encoding")) > 0 {
		return &Error{Code: UnsupportedMedia, Message: "Content-Encoding: is not supported; send the JSON as it is"}
	}
	for _, ct := range h.Values("Content-Type") {
		media, parameters, err := mime.ParseMediaType(ct)
		charset, ok := parameters["charset"]
		if err != nil || media != "application/json" || ok && !strings.EqualFold(charset, "utf-8") {
			return &Error{Code: UnsupportedMedia, Message: "Content-Type: must be application/json, in UTF-8"}
		}
	}
	return nil
}

// authenticate verifies the signature, reserves the nonce in memory, and counts the call against its client's rate: in this
// order, so that somebody who repeats an overheard call does not use up the client's rate. A call that is turned away for
// its rate gets its nonce back.
func (g *Gateway) authenticate(by scheme, m auth.Message) (auth.Principal, auth.Nonce, error) {
	defer g.stage(nil, stageAuthenticate).over()
	now := g.now()
	principal, nonce, err := by.verify(g.verifier, now, m)
	switch {
	case errors.Is(err, auth.ErrUnsigned):
		return principal, nonce, &Error{Code: Unsigned, Message: by.missing}
	case errors.Is(err, auth.ErrStale):
		return principal, nonce, stale()
	case err != nil:
		g.log.Debug("a signature was refused", "because", err) // which is not for the caller, who may be trying
		return principal, nonce, &Error{Code: BadSignature, Message: by.wrong}
	}
	switch err := g.verifier.Reserve(nonce); {
	case errors.Is(err, auth.ErrReplayed):
		return principal, nonce, replayed()
	case err != nil: // it grew too old between the two checks
		return principal, nonce, stale()
	}
	if !g.limiter(principal.Client).AllowN(now, 1) {
		g.verifier.Release(nonce)
		return principal, nonce, &Error{Code: RateLimited, Message: "this client sends more calls than limits.rate allows; try again", RetryAfter: time.Second}
	}
	return principal, nonce, nil
}

// request adds to an order who sent it, from where, and when.
func (g *Gateway) request(r *http.Request, call verified, order Order) Request {
	source, _ := netip.ParseAddrPort(r.RemoteAddr) // a Unix socket's peer has none
	return Request{ID: newID(), Time: g.now().UTC(), SourceIP: source.Addr().Unmap(), Principal: call.principal, Order: order, Trace: call.trace.Traceparent(), trace: call.trace}
}

// notAdmitted says why the journal did not take a request. Nothing has run.
func (g *Gateway) notAdmitted(err error) *Error {
	switch {
	case errors.Is(err, journal.ErrNonceUsed):
		return replayed()
	case errors.Is(err, journal.ErrNonceForgotten):
		return stale()
	}
	g.log.Error("a request was refused because the journal cannot be written", "error", err)
	message := "the journal cannot be written, so nothing was run; the gateway's log says why"
	switch {
	case errors.Is(err, journal.ErrNoSpace):
		message = "nothing was run: the disk of the gateway's state directory is full; the gateway resumes by itself when there is room"
	case errors.Is(err, journal.ErrMoved):
		message = "nothing was run: the gateway's state directory was removed or replaced while it ran; it has to be put back, or the gateway started again"
	}
	return &Error{Code: JournalUnavailable, Message: message, Cause: err, RetryAfter: 10 * time.Second}
}

func shuttingDown() *Error {
	return &Error{Code: ShuttingDown, Message: "the gateway is shutting down; try again", RetryAfter: 5 * time.Second}
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
