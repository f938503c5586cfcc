package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
)

// peer returns the client whose process sent a request over a Unix socket, and counts the request against the client's rate.
// It is for routes that take no Func signature, and for requests without any. There is no nonce: what comes over such a connection cannot be overheard and
// sent again.
func (g *Gateway) peer(r *http.Request) (auth.Principal, error) {
	none := auth.Principal{}
	if g.closing.Load() {
		return none, shuttingDown()
	}
	if auth.IsSigned(r.Header) {
		return none, &Error{Code: BadSignature, Message: "a Func signature is not for this route: call it on a Unix socket of the gateway, without the X-Auth headers"}
	}
	p, err := auth.PeerOf(r)
	if err != nil {
		return none, &Error{Code: Unsigned, Message: "the request is not signed: this route takes the HTTP message signature of a client with scheme httpsig; or call it on a Unix socket of the gateway " +
			"(unix: in listen), as a user that a client with scheme peercred lists"}
	}
	principal, err := g.verifier.VerifyPeer(p)
	if err != nil {
		return none, unknownPeer(err)
	}
	if err := g.notACommand(p); err != nil {
		return none, err
	}
	if !g.limiter(principal.Client).AllowN(g.now(), 1) {
		g.metrics.Refused(principal.Client, string(RateLimited))
		return none, &Error{Code: RateLimited, Message: "this client sends more calls than limits.rate allows; try again", RetryAfter: time.Second}
	}
	return principal, nil
}

// errPeerGone says that what was found out about a number may be about another process than the peer.
var errPeerGone = errors.New("the process has ended, and its number may be another's")

// notACommand refuses the gateway's own commands: where they run as the user of a client, they would be that client. A process that the gateway does not
// see is none of them.
func (g *Gateway) notACommand(p auth.Peer) error {
	if p.PID == 0 {
		return nil
	}
	held, err := g.runner.Holds(p.PID)
	if err == nil && p.Gone() && g.runner.Report().Groups.Available {
		err = errPeerGone
	}
	switch {
	case err != nil:
		return &Error{Code: UnknownPeer, Message: fmt.Sprintf("it cannot be told whether process %d, which opened this connection, is a command of this gateway: "+
			"keep it running until the answer is there", p.PID), Cause: err}
	case held:
		return &Error{Code: UnknownPeer, Message: "a command that runs in this gateway cannot call it as the user it runs as; give it a secret of its own, over TCP"}
	}
	return nil
}

// unknownPeer tells the caller which user the kernel says he is, and what there is to do.
func unknownPeer(err error) *Error {
	var unknown *auth.UnknownPeerError
	if !errors.As(err, &unknown) {
		return &Error{Code: UnknownPeer, Message: "the kernel does not say who is calling", Cause: err}
	}
	uid := unknown.Peer.UID
	if unknown.Nobody() {
		return &Error{Code: UnknownPeer, Message: fmt.Sprintf("the kernel says that user %d is calling, which stands for every user who has no number where the gateway runs: "+
			"call as a user whom its user namespace has", uid)}
	}
	return &Error{Code: UnknownPeer, Message: fmt.Sprintf("the kernel says that user %d is calling, and no client has that user: "+
		"add %d to the uids of a client with scheme peercred in the gateway's configuration", uid, uid)}
}

// forOperators lets only clients with the role operator through.
func (g *Gateway) forOperators(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		principal, err := g.caller(r)
		if err == nil && !principal.HasRole(auth.RoleOperator) {
			err = &Error{Code: Denied, Message: fmt.Sprintf("this is for clients with the role %s; %s has not got it", auth.RoleOperator, principal.Client)}
		}
		if err != nil {
			g.problem(w, g.refusal(err))
			return
		}
		next(w, r)
	}
}
