package gateway

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/policy"
)

// ruling is what was decided on a request, and the job that follows from it.
type ruling struct {
	id       string // of the decision
	decision policy.Decision
	job      executor.Job
}

// rule takes a request through analysis, decision and tightening. It runs nothing and commits nothing, so it may be
// called again for a job that waited. Every error is an *Error.
func (g *Gateway) rule(ctx context.Context, req Request) (*ruling, error) {
	r := &ruling{id: newID()}
	workdir, err := realWorkdir(req.Workdir)
	if err != nil {
		return nil, invalid(&FieldError{"workdir", err.Error()})
	}
	analysis := g.analyzer.Analyze(req.Command, workdir)
	r.decision, err = g.policy.Decide(ctx, inputOf(req, workdir, analysis, g.host))
	if err != nil {
		return nil, &Error{Code: PolicyNotLoaded, Message: "no policy is loaded, so nothing is allowed; look at the gateway's log", Cause: err, RetryAfter: 5 * time.Second}
	}
	if r.decision.Fault != "" {
		g.log.Error("the policy failed to answer", "decision", r.id, "client", req.Principal.Client, "revision", r.decision.Revision, "fault", r.decision.Fault)
	}
	if !r.decision.Allow {
		return nil, r.refuse(denied(r.decision.Reasons))
	}
	if req.Callback != nil && !g.callbacks.Allows(*req.Callback) {
		return nil, r.refuse(denied([]string{"the callback destination is not listed in callbacks.allow of the gateway's configuration"}))
	}
	if r.job, err = g.bounds.tighten(req, workdir, analysis, r.decision.Obligations); err != nil {
		return nil, r.refuse(err)
	}
	if err := g.runner.Check(r.job); err != nil {
		return nil, r.refuse(unavailable(err))
	}
	return r, nil
}

// refuse marks a refusal with the decision it belongs to.
func (r *ruling) refuse(err error) error {
	var refusal *Error
	if errors.As(err, &refusal) {
		refusal.DecisionID = r.id
	}
	return err
}

// denied is the refusal of a policy or a ceiling, with its reasons in words.
func denied(reasons []string) *Error {
	if len(reasons) == 0 {
		reasons = []string{"the policy gave no reason"}
	}
	return &Error{Code: Denied, Message: "denied: " + strings.Join(reasons, "; "), Reasons: reasons}
}

// unavailable is the refusal of a job whose profile this host cannot enforce.
func unavailable(err error) *Error {
	return &Error{Code: SandboxUnavailable, Message: err.Error(), Reasons: []string{err.Error()}}
}
