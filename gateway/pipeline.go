package gateway

import (
	"context"
	"net/http"

	"github.com/sidegate/sidegate/internal/auth"
)

// serveShell is the line a request travels. A caller that leaves ends its connection and nothing else: what was admitted
// runs to its end, is journaled, and its callback is delivered.
func (g *Gateway) serveShell(w http.ResponseWriter, r *http.Request) {
	admitted, err := g.admit(w, r)
	switch {
	case err != nil:
		g.reply(w, nil, g.refusal(err))
		return
	case admitted.answered != nil:
		g.reply(w, admitted.answered, nil)
		return
	case !admitted.request.Wait:
		g.reply(w, admitted.accepted(), nil)
		return
	}
	defer close(admitted.taken)
	select {
	case <-admitted.ended:
		data, refusal := admitted.reply()
		g.reply(w, data, refusal)
	case <-admitted.left:
		g.reply(w, nil, admitted.postponed())
	case <-r.Context().Done():
		g.abandoned(admitted.life)
	}
}

// verified is a call whose signature holds and whose nonce is reserved.
type verified struct {
	principal auth.Principal
	nonce     auth.Nonce
	body      []byte
}

// admission is how a request comes out of admit: as a job on its way, or answered by a plugin.
type admission struct {
	*life
	answered *outcome
}

// admit takes a request as far as its acceptance: verified, decoded, transformed, decided, committed, and given to the
// queue.
func (g *Gateway) admit(w http.ResponseWriter, r *http.Request) (admission, error) {
	none := admission{}
	// 1. The raw body, the signature over it, the time window, and the nonce reserved in memory.
	call, err := g.verify(w, r)
	if err != nil {
		return none, err
	}
	ctx := context.WithoutCancel(r.Context()) // what follows goes on when the caller leaves

	// 2. Strict decoding.
	order, err := decodeOrder(call.body)
	if err != nil {
		return none, g.turnAway(ctx, call, invalid(err))
	}

	// 3. The plugins of the request phase.
	made, err := g.transform(ctx, g.request(r, call.principal, order), false)
	if err != nil {
		return none, g.turnAway(ctx, call, err)
	}
	if made.answer != nil {
		answered, err := g.answer(ctx, call, made)
		if err != nil {
			return none, g.turnAway(ctx, call, err)
		}
		return admission{answered: answered}, nil
	}
	request := made.request

	// 4 to 6. Analysis, decision, and the job tightened to what the decision obliges.
	ruling, err := g.rule(ctx, request)
	if err != nil {
		return none, g.turnAway(ctx, call, err)
	}
	if ruling.refusal != nil {
		return none, g.turnAway(ctx, call, ruling.refusal)
	}
	// 7. Nonce, decision and job, fsynced; 8. run or enqueue. What follows is in life.go.
	accepted, err := g.accept(ctx, call.nonce, request, ruling)
	if err != nil {
		return none, g.turnAway(ctx, call, err)
	}
	return admission{life: accepted}, nil
}

// turnAway ends a verified call that is not accepted. One that was decided against keeps its nonce spent, on disk too; one
// that was turned away for a passing reason gets its nonce back.
func (g *Gateway) turnAway(ctx context.Context, call verified, err error) error {
	refusal := g.refusal(err)
	if refusal.undecided() {
		g.verifier.Release(call.nonce)
	} else if unspent := g.spend(ctx, call); unspent != nil {
		refusal = unspent
		if refusal.undecided() {
			g.verifier.Release(call.nonce)
		}
	}
	g.log.Info("refused", "client", call.principal.Client, "code", refusal.Code, "decision", refusal.DecisionID)
	g.log.Debug("refused because", "decision", refusal.DecisionID, "message", refusal.Message, "cause", refusal.Cause) // may quote the command
	return refusal
}
