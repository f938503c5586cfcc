package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/jobs"
	"github.com/sidegate/sidegate/internal/journal"
)

// begin takes a job that waited to durability point B. The policy may have changed meanwhile, or the gateway been
// restarted: then it is decided again. A result means that the job ends here without having run; an error, that the
// gateway stops first.
func (l *life) begin(ctx context.Context) (*executor.Result, error) {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		switch {
		case errors.Is(context.Cause(ctx), jobs.ErrCancelled):
			return &executor.Result{Status: executor.StatusKilled}, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case l.g.now().After(l.request.Time.Add(l.g.bounds.MaxTimeout)):
			return failed(exitNotExecutable, "it waited longer than executor.max_timeout for its turn"), nil
		}
		result, err := l.tryBegin(context.WithoutCancel(ctx))
		if err == nil {
			return result, nil
		}
		// A promised job is not lost to a disk that is full for a while, or to a policy that is being mended.
		l.g.log.Error("a waiting job cannot start yet", "job", l.request.ID, "error", err, l.request.traceAttr())
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// tryBegin decides again where it must, and commits that the job runs, and under which decision. An error passes by
// itself.
func (l *life) tryBegin(ctx context.Context) (*executor.Result, error) {
	start := journal.Start{JobID: l.request.ID, At: l.g.now()}
	today, same, known := l.g.asToday(l.request.Principal)
	if !known {
		return failed(exitNotExecutable, clientGone), nil
	}
	if !same || !l.g.stillRuled(l.ruling.Load()) {
		switch refusal := l.decideAgain(ctx, today); {
		case refusal == nil:
		case refusal.undecided(), refusal.Code == PolicyTimeout:
			return nil, refusal
		default:
			l.g.log.Info("refused when its turn came", "job", l.request.ID, "client", l.request.Principal.Client, "code", refusal.Code, "decision", refusal.DecisionID,
				l.request.traceAttr())
			why := "refused when its turn came: " + refusal.Message
			if refusal.DecisionID != "" { // or the policy allows it, and its directory is gone
				why += " (decision " + refusal.DecisionID + ")"
			}
			return failed(exitNotExecutable, why), nil
		}
	}
	if l.again { // also where the commit of an earlier try failed
		r := l.ruling.Load()
		spec, err := r.record()
		if err != nil {
			return nil, err
		}
		start.DecisionID, start.Revision, start.Spec = r.id, r.decision.Revision, spec
	}
	start.Leaf = l.g.startedLeaf(l.request, l.ruling.Load(), &start)
	err := l.g.journal.Begin(ctx, start)
	if errors.Is(err, journal.ErrState) {
		return failed(exitNotExecutable, "the journal says that it is not waiting"), nil
	}
	l.begun = err == nil
	return nil, err
}

// stillRuled tells whether a ruling may be acted on later than it was made: the policy that made it is in force, and it was
// the policy's. What ran only because the gateway observes is asked about again.
func (g *Gateway) stillRuled(r *ruling) bool {
	activated, ready := g.policy.InForce()
	return r != nil && !r.observed && ready && activated.Equal(r.activated)
}

// decideAgain replaces the ruling by one of the present policy on the client as it is today, or answers why there is none. From then on the request is that
// client's: what the audit says of it, and which plugins see its result, goes with the decision.
func (l *life) decideAgain(ctx context.Context, today auth.Principal) *Error {
	request := l.request
	request.Principal = today
	r, err := l.g.rule(ctx, request)
	switch {
	case err != nil:
		return l.g.refusal(err)
	case r.refusal != nil:
		return r.refusal
	}
	l.ruling.Store(r)
	l.request.Principal, l.again = today, true
	return nil
}
