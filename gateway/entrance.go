package gateway

import (
	"context"
	"net/http"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/tracing"
)

// An entrance is how calls of a route come in: how their caller is known, and what their body says.
type entrance struct {
	verify func(g *Gateway, w http.ResponseWriter, r *http.Request) (verified, error)
	decode func(body []byte) (Order, error)
}

var (
	// signed is for callers with a secret.
	signed = entrance{(*Gateway).verify, decodeOrder}
	// native is for callers who sign the whole message, and for processes of this host, on a Unix socket.
	native = entrance{(*Gateway).verifyNative, decodeJob}
)

// verified is a call whose caller is known.
type verified struct {
	principal auth.Principal
	nonce     *auth.Nonce // reserved; nil where the connection says who calls, because nobody can overhear and repeat that
	body      []byte
	trace     *tracing.Span // nil where the call is not traced

	era   uint64                         // in which the caller was known
	again func() (auth.Principal, error) // who the caller is in a later one
}

// verify reads a call and checks who signed it, by the Func scheme.
func (g *Gateway) verify(w http.ResponseWriter, r *http.Request) (verified, error) {
	return g.verifySigned(w, r, funcScheme)
}

// verifySigned reads a call and checks who signed it.
func (g *Gateway) verifySigned(w http.ResponseWriter, r *http.Request, by scheme) (verified, error) {
	message, err := g.receive(w, r)
	if err != nil {
		return verified{}, err
	}
	era := g.eras.now()
	principal, nonce, err := g.authenticate(by, message)
	if err != nil {
		if principal.Client != "" { // who it is was known; a signature that is not one is nobody's
			g.metrics.Refused(principal.Client, string(g.refusal(err).Code))
		}
		return verified{}, err
	}
	again := func() (auth.Principal, error) {
		principal, _, err := by.verify(g.verifier, g.now(), message)
		return principal, err
	}
	return verified{principal: principal, nonce: &nonce, body: message.Body, trace: g.traced(w, r, principal.Client), era: era, again: again}, nil
}

// verifyPeer asks the kernel whose process calls, and reads the call.
func (g *Gateway) verifyPeer(w http.ResponseWriter, r *http.Request) (verified, error) {
	era := g.eras.now()
	principal, err := g.peer(r)
	if err != nil {
		return verified{}, err
	}
	message, err := g.receive(w, r)
	if err != nil {
		return verified{}, err
	}
	again := func() (auth.Principal, error) {
		p, err := auth.PeerOf(r)
		if err != nil {
			return auth.Principal{}, err
		}
		return g.verifier.VerifyPeer(p)
	}
	return verified{principal: principal, body: message.Body, trace: g.traced(w, r, principal.Client), era: era, again: again}, nil
}

// release gives the nonce of a call back, which was turned away for a passing reason.
func (g *Gateway) release(call verified) {
	if call.nonce != nil {
		g.verifier.Release(*call.nonce)
	}
}

// admission is what the journal commits of a call, but for what was made of it.
func (g *Gateway) admission(call verified) journal.Admission {
	a := journal.Admission{At: g.now()}
	if call.nonce != nil {
		nonce := journal.Nonce(*call.nonce)
		a.Nonce = &nonce
	}
	return a
}

// spend commits the nonce of a request that becomes no job, and what the audit says of it.
func (g *Gateway) spend(ctx context.Context, call verified, leaf []byte) *Error {
	a := g.admission(call)
	a.Leaves = [][]byte{leaf}
	if err := g.journal.Admit(ctx, a); err != nil {
		return g.notAdmitted(err)
	}
	return nil
}
