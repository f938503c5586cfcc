package gateway

import (
	"context"
	"net/http"

	"github.com/sidegate/sidegate/internal/tracing"
)

// serveShell is the line a request travels. A caller that leaves ends its connection and nothing else, unless the decision
// says so: what was admitted runs to its end, is journaled, and its callback is delivered.
func (g *Gateway) serveShell(w http.ResponseWriter, r *http.Request) {
	admitted, err := g.admit(w, r, signed)
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
	caller := g.watch(w, r, admitted.life)
	defer caller.end()
	for {
		select {
		case <-admitted.ended:
			data, refusal := admitted.reply()
			g.reply(w, data, refusal)
			return
		case <-admitted.left:
			g.reply(w, nil, admitted.postponed())
			return
		case <-caller.due:
			if caller.gone() {
				g.abandoned(admitted.life)
			}
		}
	}
}

// admission is how a request comes out of admit: as a job on its way, or answered by a plugin.
type admission struct {
	*life
	answered *outcome
}

// admit takes a request as far as its acceptance: verified, decoded, transformed, decided, committed, and given to the
// queue.
func (g *Gateway) admit(w http.ResponseWriter, r *http.Request, by entrance) (admission, error) {
	none := admission{}
	// 1. The raw body, the signature over it, the time window, and the nonce reserved in memory; or whose process calls.
	call, err := by.verify(g, w, r)
	if err != nil {
		return none, err
	}
	ctx := context.WithoutCancel(r.Context()) // what follows goes on when the caller leaves

	// 2. Strict decoding.
	decoding := call.trace.Child(spanDecode)
	order, err := by.decode(call.body)
	decoding.End()
	if err != nil {
		return none, g.turnAway(ctx, call, nil, invalid(err))
	}

	var (
		made   transformed
		ruling *ruling
	)
	err = g.withinOneEra(&call, func() (err error) {
		// 3. The plugins of the request phase.
		if made, err = g.transform(ctx, g.request(r, call, order), false); err != nil || made.answer != nil {
			return err
		}
		// 4 to 6. Analysis, decision, and the job tightened to what the decision obliges.
		ruling, err = g.rule(ctx, made.request)
		return err
	})
	if err != nil {
		return none, g.turnAway(ctx, call, &made.request, err)
	}
	if made.answer != nil {
		answered, err := g.answer(ctx, call, made)
		if err != nil {
			return none, g.turnAway(ctx, call, &made.request, err)
		}
		return admission{answered: answered}, nil
	}
	request := made.request
	if ruling.refusal != nil {
		return none, g.turnAway(ctx, call, &request, ruling.refusal)
	}
	// 7. Nonce, decision and job, fsynced; 8. run or enqueue. What follows is in life.go.
	accepted, err := g.accept(ctx, call, request, ruling)
	if err != nil {
		return none, g.turnAway(ctx, call, &request, err)
	}
	return admission{life: accepted}, nil
}

// turnAway ends a verified call that is not accepted. One that was decided against keeps its nonce spent, on disk too; one
// that was turned away for a passing reason gets its nonce back. about is the request, where it could be read.
func (g *Gateway) turnAway(ctx context.Context, call verified, about *Request, err error) error {
	refusal := g.refusal(err)
	if refusal.undecided() {
		g.release(call)
	} else if unspent := g.spend(ctx, call, g.refusedLeaf(call, about, refusal)); unspent != nil {
		refusal = unspent
		if refusal.undecided() {
			g.release(call)
		}
	}
	g.metrics.Refused(call.principal.Client, string(refusal.Code))
	call.trace.Set(tracing.Decision, refusal.DecisionID)
	g.log.Info("refused", "client", call.principal.Client, "code", refusal.Code, "decision", refusal.DecisionID, traceAttr(call.trace))
	g.log.Debug("refused because", "decision", refusal.DecisionID, "message", refusal.Message, "cause", refusal.Cause) // may quote the command
	return refusal
}
