package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/journal"
)

// A scheme is a way of signing requests, and what callers are told who got it wrong. What exactly was wrong stays in the log.
type scheme struct {
	verify         func(v *auth.Verifier, now time.Time, m auth.Message) (auth.Principal, auth.Nonce, error)
	missing, wrong string
}

var (
	// funcScheme signs method, path and body. It is for the routes that the Func connector and its like call.
	funcScheme = scheme{
		(*auth.Verifier).Verify, "the request is not signed: X-Auth-Nonce, X-Auth-Timestamp and X-Auth-Signature are required",
		"the signature is not that of a known client; compare the secret",
	}
	// messageScheme is RFC 9421, which signs all that says what is asked, and of whom. It is for the native API.
	messageScheme = scheme{
		(*auth.Verifier).VerifyMessage, "the request is not signed: Signature-Input and Signature are required (RFC 9421)",
		"the signature does not verify: compare the key and the client's name (keyid), what the signature covers, and by what name the gateway is called (authorities in its configuration)",
	}
)

// verifyNative knows the caller of the native API by its signature, or by its connection where there is none.
func (g *Gateway) verifyNative(w http.ResponseWriter, r *http.Request) (verified, error) {
	if !auth.IsMessageSigned(r.Header) {
		return g.verifyPeer(w, r)
	}
	if err := oneSignature(r); err != nil {
		return verified{}, err
	}
	return g.verifySigned(w, r, messageScheme)
}

// oneSignature refuses who signs twice: two callers have no business in one request.
func oneSignature(r *http.Request) error {
	if auth.IsSigned(r.Header) {
		return &Error{Code: BadSignature, Message: "the request has a Func signature and an HTTP message signature; send one of the two"}
	}
	return nil
}

// caller returns the client that sent a request without a body, and counts the request against the client's rate. The nonce of a signed one is on disk before
// anything is answered, as that of every other: what was overheard cannot be sent again, also not after a restart.
func (g *Gateway) caller(r *http.Request) (auth.Principal, error) {
	none := auth.Principal{}
	if !auth.IsMessageSigned(r.Header) {
		return g.peer(r)
	}
	if g.closing.Load() {
		return none, shuttingDown()
	}
	if err := oneSignature(r); err != nil {
		return none, err
	}
	principal, nonce, err := g.authenticate(messageScheme, auth.MessageOf(r, nil))
	if err != nil {
		if principal.Client != "" {
			g.metrics.Refused(principal.Client, string(g.refusal(err).Code))
		}
		return none, err
	}
	spent := journal.Nonce(nonce)
	if err := g.journal.Admit(context.WithoutCancel(r.Context()), journal.Admission{At: g.now(), Nonce: &spent}); err != nil {
		refusal := g.notAdmitted(err)
		// Who wants something ended gets it ended, also while nothing can be written down. A second copy finds it ended.
		if refusal.Code == JournalUnavailable && r.Method == http.MethodDelete {
			return principal, nil
		}
		if refusal.undecided() {
			g.verifier.Release(nonce)
		}
		g.metrics.Refused(principal.Client, string(refusal.Code))
		return none, refusal
	}
	return principal, nil
}
