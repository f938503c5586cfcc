package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
	"github.com/open-policy-agent/opa/v1/topdown/print"
)

// Decide asks the policy about in. The only error is ErrNotLoaded, with the
// zero Decision. Every way in which a policy can fail to answer, the end of
// ctx and the deadline included, is a Decision that denies, with its Fault set.
//
// The decision log, if there is one, gets the decision under an ID made for
// it; see [Engine.DecideAs].
func (e *Engine) Decide(ctx context.Context, in Input) (Decision, error) {
	return e.DecideAs(ctx, "", in)
}

// DecideAs is Decide with the ID that the decision log is to know the decision
// by. That the decision cannot be logged changes nothing about it.
func (e *Engine) DecideAs(ctx context.Context, id string, in Input) (Decision, error) {
	key := cacheKeys.Get().(*cacheKey)
	defer giveBack(key)
	if e.journal == nil {
		// Nothing of the store is needed. A policy that is replaced in this moment
		// may still answer: this came before that.
		if decision, ok := e.remembered(ctx, e.current.Load(), key, &in); ok {
			return decision, nil
		}
	}
	// The transaction first, the pointer second: publish runs while no
	// transaction is open, so the policy seen here belongs to the data seen here.
	txn, err := e.store.NewTransaction(ctx)
	if err != nil {
		return failed("", fault{"it could not be read", err}), nil
	}
	defer e.store.Abort(ctx, txn)
	policy := e.current.Load()
	if policy == nil {
		return Decision{}, ErrNotLoaded
	}
	question := toValue(&in)
	var decision Decision
	ok := false
	if e.journal != nil {
		decision, ok = e.remembered(ctx, policy, key, &in)
	}
	if !ok {
		decision = e.decide(ctx, policy, txn, question)
		e.remember(policy, key, &in, &decision)
	}
	e.journal.record(ctx, txn, policy, id, &in, question, decision)
	return decision, nil
}

// remembered returns what a policy has said to the same question before. It
// leaves what does not come to an answer, such as the end of ctx, to decide.
func (e *Engine) remembered(ctx context.Context, policy *prepared, key *cacheKey, in *Input) (Decision, bool) {
	if policy == nil || policy.cache == nil || ctx.Err() != nil {
		return Decision{}, false
	}
	return policy.cache.find(key.of(in))
}

// remember keeps an answer. A fault is none: the next request may have better
// luck. The caller's transaction keeps data from changing until it is kept.
func (e *Engine) remember(policy *prepared, key *cacheKey, in *Input, d *Decision) {
	switch {
	case policy.cache == nil, d.Fault != "":
		e.cached.bypassed.Add(1)
	case policy.cache.put(key.of(in), d):
		e.cached.misses.Add(1)
	default:
		e.cached.bypassed.Add(1)
	}
}

func (e *Engine) decide(ctx context.Context, policy *prepared, txn storage.Transaction, question ast.Value) Decision {
	ctx, cancel := context.WithTimeout(ctx, e.deadline)
	defer cancel()
	decision, err := policy.ask(ctx, txn, question)
	if err != nil {
		return failed(policy.revision, err)
	}
	decision.Revision = policy.revision
	return decision
}

func (p *prepared) ask(ctx context.Context, txn storage.Transaction, question ast.Value) (d Decision, err error) {
	// A panic in a builtin must deny this request and not end the others.
	defer func() {
		if r := recover(); r != nil {
			d, err = Decision{}, fault{"evaluation error", fmt.Errorf("panic: %v", r)}
		}
	}()
	// OPA learns about the end of a context from another goroutine, so a short
	// policy could still answer after it.
	if err := ctx.Err(); err != nil {
		return Decision{}, stopped(err)
	}
	options := []rego.EvalOption{rego.EvalTransaction(txn), rego.EvalParsedInput(question), rego.EvalMetrics(metrics.NoOp())}
	if p.notes {
		called := builtins.NDBCache{}
		options = append(options, rego.EvalNDBuiltinCache(called))
		defer func() { d.Called = slices.Sorted(maps.Keys(called)) }()
	}
	results, err := p.query.Eval(ctx, options...)
	switch {
	case err != nil && ctx.Err() != nil:
		return Decision{}, stopped(ctx.Err())
	case err != nil:
		return Decision{}, fault{"evaluation error", err}
	case len(results) == 0:
		return Decision{}, fault{"it gave no decision", errors.New("data.sidegate.decision is undefined")}
	case len(results) != 1 || len(results[0].Expressions) != 1:
		return Decision{}, fault{"it gave several decisions", fmt.Errorf("%d results", len(results))}
	}
	d, err = decode(results[0].Expressions[0].Value)
	if err != nil {
		return Decision{}, fault{"its decision is malformed", err}
	}
	return d, nil
}

// fault is a failure of the policy: what the caller may know, and the cause.
type fault struct {
	public string
	cause  error
}

func (f fault) Error() string { return f.public + ": " + f.cause.Error() }
func (f fault) Unwrap() error { return f.cause }

func stopped(err error) fault {
	if errors.Is(err, context.DeadlineExceeded) {
		return fault{"it took too long", err}
	}
	return fault{"the request ended first", err}
}

// failed makes a denial of a failure.
func failed(revision string, err error) Decision {
	public := "internal error"
	var f fault
	if errors.As(err, &f) {
		public = f.public
	}
	return Decision{
		Reasons:  []string{"the policy failed to answer: " + public},
		Revision: revision,
		Fault:    err.Error(),
		FaultAt:  placeOf(err),
		TimedOut: errors.Is(err, context.DeadlineExceeded),
	}
}

// placeOf is where in the policy, and with which of OPA's codes, evaluation ended: what can be told of an error without its words, which may quote the input.
func placeOf(err error) string {
	var ended *topdown.Error
	if !errors.As(err, &ended) {
		return ""
	}
	if ended.Location == nil {
		return ended.Code
	}
	return fmt.Sprintf("%s:%d: %s", ended.Location.File, ended.Location.Row, ended.Code)
}

// printHook hands what policies print to the log.
type printHook struct{ log *slog.Logger }

var _ print.Hook = printHook{}

func (h printHook) Print(ctx print.Context, message string) error {
	h.log.DebugContext(ctx.Context, "policy print", "message", message, "location", ctx.Location.String())
	return nil
}
