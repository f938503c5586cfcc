package gateway

import (
	"context"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/internal/tracing"
	"github.com/sidegate/sidegate/policy"
)

// judge takes a request from what was asked to what would run: analysis, decision, tightening. It runs nothing and commits
// nothing, so it may be asked again about a job that waited, and about calls that nobody made. It is safe for concurrent
// use.
type judge struct {
	analyzer  *shell.Analyzer
	policy    decider
	bounds    Bounds
	callbacks *callback.Allowlist // nil allows no destination
	host      policy.Host
	// available tells whether the job's profile can be enforced; nil asks nothing.
	available func(executor.Job) error
	observe   *Observation // nil enforces
}

// decider answers what a policy says; policy.Engine is one.
type decider interface {
	DecideAs(ctx context.Context, id string, in policy.Input) (policy.Decision, error)
}

// ruling is what was decided on a request.
type ruling struct {
	id       string // of the decision
	analysis shell.Analysis
	decision policy.Decision
	// obligations are what holds for the job: the decision's, or those of observe mode.
	obligations policy.Obligations
	job         executor.Job // complete where there is no refusal
	refusal     *Error       // why the request must not run
	observed    bool         // the policy denies, and observe mode lets it run

	// activated is when the policy that decided came into force, or one before it.
	activated time.Time
}

// record is what the journal keeps of a ruling.
func (r *ruling) record() ([]byte, error) {
	return json.Marshal(struct {
		policy.Decision
		Observed bool `json:"observed,omitempty"`
	}{r.decision, r.observed})
}

// rule decides a request whose directory is workdir. The error is policy.ErrNotLoaded; every denial is a ruling.
func (j *judge) rule(ctx context.Context, req Request, workdir string) (*ruling, error) {
	analyzing := req.trace.Child(spanAnalyze)
	r := &ruling{id: newID(), analysis: j.analyze(req.Order, workdir)}
	analyzing.End()
	deciding := req.trace.Child(spanPolicy)
	var err error
	r.decision, err = j.policy.DecideAs(ctx, r.id, inputOf(req, workdir, r.analysis, j.host))
	deciding.End()
	if err != nil {
		return nil, err
	}
	tightening := req.trace.Child(spanTighten)
	defer tightening.End()
	if r.refusal = j.grant(req, workdir, r); r.refusal != nil {
		r.refusal.DecisionID, r.refusal.Revision = r.id, r.decision.Revision
	}
	return r, nil
}

// analyze says what the command would do; an argument vector is never joined and parsed.
func (j *judge) analyze(o Order, workdir string) shell.Analysis {
	if o.Argv != nil {
		return j.analyzer.AnalyzeArgv(o.Argv, workdir)
	}
	return j.analyzer.Analyze(o.Command, workdir)
}

// grant completes the job of an allowed request, or says why there is none.
func (j *judge) grant(req Request, workdir string, r *ruling) *Error {
	r.obligations = r.decision.Obligations
	if !r.decision.Allow {
		if r.decision.TimedOut {
			return &Error{
				Code: PolicyTimeout, Reasons: r.decision.Reasons, RetryAfter: 2 * time.Second,
				Message: "the policy took too long to answer, so nothing was run: try again, and look at how busy the host is and how long policies take (sidegate policy bench)",
			}
		}
		if !j.observe.letsThrough(r) {
			return denied(r.decision.Reasons)
		}
		r.observed, r.obligations = true, j.observe.Obligations
	}
	if req.Callback != nil && (j.callbacks == nil || !j.callbacks.Allows(*req.Callback)) {
		return denied([]string{"the callback destination is not listed in callbacks.allow of the gateway's configuration"})
	}
	var sh *shell.Program
	if r.obligations.Mode == modeShell {
		sh = j.analyzer.Shell()
	}
	job, reasons := j.bounds.tighten(req, workdir, r.analysis, r.obligations, sh)
	if len(reasons) > 0 {
		return denied(reasons)
	}
	if j.available != nil {
		if err := j.available(job); err != nil {
			return unavailable(err)
		}
	}
	r.job = job
	return nil
}

// rule decides a request with the directory it names on this host. A denial is a ruling with a refusal; an error means
// that nothing was decided.
func (g *Gateway) rule(ctx context.Context, req Request) (*ruling, error) {
	deciding := g.stage(req.trace, stageDecide)
	defer deciding.over()
	req.trace = deciding.span
	workdir, missing := realWorkdir(req.Workdir)
	if missing != nil {
		// What may not be used is denied in the same words whether it exists or not.
		workdir = path.Clean(req.Workdir)
	}
	activated, _ := g.policy.InForce() // asked first: a policy that comes between is decided by again, not missed
	r, err := g.judge.rule(ctx, req, workdir)
	if err != nil {
		return nil, &Error{Code: PolicyNotLoaded, Message: "no policy is loaded, so nothing is allowed; look at the gateway's log", Cause: err, RetryAfter: 5 * time.Second}
	}
	r.activated = activated
	deciding.span.Set(tracing.Decision, r.id)
	deciding.span.SetBool(tracing.Allowed, r.decision.Allow)
	if r.decision.Fault != "" {
		g.log.Error("the policy failed to answer", "decision", r.id, "client", req.Principal.Client, "revision", r.decision.Revision,
			"at", r.decision.FaultAt, "look", "sidegate policy explain with the same command, or telemetry.log_level: debug", req.traceAttr())
		g.log.Debug("the policy failed because", "decision", r.id, "fault", r.decision.Fault) // may quote values of the request
	}
	if missing != nil && r.refusal == nil {
		return nil, invalid(&FieldError{"workdir", missing.Error()})
	}
	r.discreet(workdir, req.Workdir)
	return r, nil
}

// discreet keeps from the caller where the directory that was asked for leads to.
func (r *ruling) discreet(real, asked string) {
	if r.refusal != nil && real != asked {
		r.refusal.hide(real, asked)
	}
}

// hide replaces, in what the caller gets to read, the directory that a requested one leads to by the requested one.
func (e *Error) hide(real, asked string) {
	e.Message = strings.ReplaceAll(e.Message, real, asked)
	e.Reasons = slices.Clone(e.Reasons)
	for i, reason := range e.Reasons {
		e.Reasons[i] = strings.ReplaceAll(reason, real, asked)
	}
}

// What a policy says to callers is bounded, and without characters that could play tricks on a terminal.
const (
	maxReasons = 32
	maxReason  = 1024 // bytes
)

// denied is the refusal of a policy or a ceiling, with its reasons in words.
func denied(reasons []string) *Error {
	if len(reasons) == 0 {
		reasons = []string{"the policy gave no reason"}
	}
	shown := make([]string, 0, min(len(reasons), maxReasons))
	for _, reason := range reasons[:min(len(reasons), maxReasons)] {
		shown = append(shown, printable(reason, maxReason))
	}
	return &Error{Code: Denied, Message: "denied: " + strings.Join(shown, "; "), Reasons: shown}
}

// unavailable is the refusal of a job whose profile this host cannot enforce.
func unavailable(err error) *Error {
	return &Error{Code: SandboxUnavailable, Message: err.Error(), Reasons: []string{err.Error()}}
}
