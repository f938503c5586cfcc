package gateway

import (
	"cmp"
	"context"
	"net/netip"
	"path"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
)

// Explainer takes calls along the line that a Gateway takes them, from the decoding of the body to the job, without a
// gateway: nothing is verified, journaled or run. It exists so that what a policy author is shown is what a gateway does.
// Its fields are read only; it is safe for concurrent use.
type Explainer struct {
	Analyzer  *shell.Analyzer
	Bounds    Bounds
	Callbacks *callback.Allowlist // nil refuses every destination
	Host      policy.Host
	Observe   *Observation // nil enforces
}

// Call is what somebody would send to POST /shell, and who.
type Call struct {
	Principal auth.Principal
	SourceIP  netip.Addr // the zero Addr for a call over a Unix socket
	Body      []byte     // as of POST /shell
	Time      time.Time
}

// Question is a decoded and analyzed call: what the policy is asked.
type Question struct {
	Input policy.Input
	// Imagined is set when commands cannot run in the working directory here. A gateway then decides on the path as it was
	// written too, and refuses what the policy allows; those who write policies elsewhere want to see that it allows it.
	Imagined bool

	request Request
}

// Ask decodes and analyzes a call. A call that a gateway answers with 400 is an *Error.
func (e *Explainer) Ask(c Call) (*Question, error) {
	order, err := decodeOrder(c.Body)
	if err != nil {
		return nil, invalid(err)
	}
	return e.Again(Request{ID: newID(), Time: c.Time.UTC(), SourceIP: c.SourceIP, Principal: c.Principal, Order: order}), nil
}

// Again is what the policy is asked about a request that was made before.
func (e *Explainer) Again(req Request) *Question {
	q := &Question{request: req}
	workdir, err := realWorkdir(req.Workdir)
	if err != nil {
		workdir, q.Imagined = path.Clean(req.Workdir), true
	}
	q.Input = inputOf(req, workdir, e.judge(nil).analyze(req.Order, workdir), e.Host)
	return q
}

// Outcome is what a gateway would do about a question.
type Outcome struct {
	Decision policy.Decision
	// Refused says why the gateway's configuration refuses what the policy allows, or what observe mode would let through;
	// empty when it does not.
	Refused []string
	// Told are the reasons that the caller and the audit get; nil when something would run.
	Told []string
	// Mode is how the job would run, "direct" or "shell"; "" when nothing would.
	Mode string
	// Observed is set when the policy denies and observe mode runs the job all the same.
	Observed bool
	// Job is what would run; nil when nothing would.
	Job *executor.Job
}

// Rule decides a question, and tightens an allowed one to the job that follows from it. The error is policy.ErrNotLoaded.
func (e *Explainer) Rule(ctx context.Context, p decider, q *Question) (Outcome, error) {
	r, err := e.judge(p).rule(ctx, q.request, q.Input.Request.Workdir)
	if err != nil {
		return Outcome{}, err
	}
	r.discreet(q.Input.Request.Workdir, q.request.Workdir)
	o := Outcome{Decision: r.decision}
	if r.refusal != nil {
		o.Told = r.refusal.Reasons
	}
	switch {
	case r.refusal == nil:
		o.Job, o.Observed, o.Mode = &r.job, r.observed, cmp.Or(r.obligations.Mode, modeDirect)
	case r.decision.Allow || r.observed:
		o.Refused = r.refusal.Reasons
	}
	return o, nil
}

func (e *Explainer) judge(p decider) *judge {
	return &judge{analyzer: e.Analyzer, policy: p, bounds: e.Bounds, callbacks: e.Callbacks, host: e.Host, observe: e.Observe}
}
