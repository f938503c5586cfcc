package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sidegate/sidegate/wasm/guest"
)

// Kinds of failures that are found here and not in the guest.
const (
	KindBreaker Kind = "breaker" // it was not called, because it has failed too often in a row
	KindChange  Kind = "change"  // it changed what it may not, or to what may not be
	KindHost    Kind = "host"    // it could not be called
)

// A run is one message on its way through a chain. It is used again, for its buffers.
type run struct {
	ex       guest.Exchange
	metadata []byte
	shared   []byte // the part of the metadata that all plugins see

	selected *Selected
	phase    Phase
	caller   caller
	dry      bool
	valid    func([]byte) error // nil accepts all
	out      Outcome
	lent     [2]bool // out's stdout and stderr are in the exchange's buffers
	digest   string  // of the message as it is; "" until it is needed
}

var runs = sync.Pool{New: func() any { return new(run) }}

func (r *run) begin(s *Selected, m *Message) {
	r.selected, r.phase, r.dry = s, phases[s.phase], m.NoFetch
	r.caller = caller{m.Metadata.Client.Name, r.phase}
	r.shared = m.Metadata.appendShared(r.shared[:0], r.phase)
	r.out = Outcome{JSON: m.JSON, Stdout: m.Stdout, Stderr: m.Stderr}
	r.ex.NoFetch, r.valid = m.NoFetch, m.Valid
}

// end gives the buffers back, and keeps nothing of the message alive.
func (r *run) end() {
	r.selected, r.valid, r.out, r.lent, r.digest, r.caller = nil, nil, Outcome{}, [2]bool{}, "", caller{}
	r.ex.Message, r.ex.Metadata, r.ex.Stdout, r.ex.Stderr = nil, nil, nil, nil
	runs.Put(r)
}

// outcome returns what the chain made of the message, in memory of its own.
func (r *run) outcome() Outcome {
	if r.lent[0] {
		r.out.Stdout = bytes.Clone(r.out.Stdout)
	}
	if r.lent[1] {
		r.out.Stderr = bytes.Clone(r.out.Stderr)
	}
	return r.out
}

// step passes the message through one plugin. An error ends the run.
func (r *run) step(ctx context.Context, st *step) error {
	p := st.plugin
	ok, trial := p.breaker.allow(r.caller, r.dry)
	// A command's output cannot be had again, so it gets its try.
	if !ok && r.phase != PhaseResponse {
		return r.failed(st, &Failure{Plugin: p.Name, Phase: r.phase, Kind: KindBreaker, Err: errOpen})
	}
	err := r.timed(ctx, st)
	failure := r.asFailure(p, err)
	switch {
	case r.dry:
	case err != nil && failure == nil, failure != nil && (failure.Kind == KindBusy || failure.Kind == guest.KindCancelled || ctx.Err() != nil):
		p.breaker.forget(r.caller, trial) // it says nothing about the plugin
	case p.breaker.settle(r.caller, trial, failure != nil):
		r.selected.host.log.Warn("plugin keeps failing for this client; calls in this phase fail at once for a while, but for responses",
			"plugin", p.Name, "phase", string(r.phase), "client", r.caller.client)
	}
	switch {
	case err == nil:
		return nil
	case failure == nil:
		return err
	case ctx.Err() != nil:
		r.note(p, failure)
		return failure
	}
	return r.failed(st, failure)
}

// failed records a failure and says whether it ends the run.
func (r *run) failed(st *step, failure *Failure) error {
	r.note(st.plugin, failure)
	if st.plugin.Failure != FailureSkip || failure.Kind == guest.KindCancelled || failure.Kind == KindBusy {
		return failure
	}
	r.out.Skipped = append(r.out.Skipped, st.plugin.Name)
	return nil
}

// note records a failure where operators look.
func (r *run) note(p *pluginIn, failure *Failure) {
	if r.dry {
		return
	}
	p.stats.failed(failure.Kind, failure.Err, r.selected.host.now())
	log := r.selected.host.log
	switch failure.Kind {
	case KindBreaker:
	case KindBusy:
		log.Warn("plugin is busy", "plugin", p.Name, "phase", string(r.phase), "error", failure.Err, "client", r.caller.client)
	default:
		log.Warn("plugin failed", "plugin", p.Name, "phase", string(r.phase), "kind", string(failure.Kind),
			"error", failure.Err, "client", r.caller.client, "then", string(p.Failure))
	}
}

// asFailure returns the failure that an error of a plugin's call is; nil if it is the caller's mistake.
func (r *run) asFailure(p *pluginIn, err error) *Failure {
	if err == nil || errors.Is(err, errMessage) {
		return nil
	}
	var failure *Failure
	if errors.As(err, &failure) {
		return failure
	}
	return &Failure{Plugin: p.Name, Phase: r.phase, Kind: KindHost, Err: err}
}

// timed is call, and tells how long it took.
func (r *run) timed(ctx context.Context, st *step) error {
	called := r.selected.host.called
	if called == nil || r.dry {
		return r.call(ctx, st)
	}
	begun := time.Now()
	defer func() { called(st.plugin.Name, r.phase, time.Since(begun)) }()
	return r.call(ctx, st)
}

// call calls the plugin and takes what it made of the message.
func (r *run) call(ctx context.Context, st *step) error {
	p := st.plugin
	r.metadata = append(append(r.metadata[:0], p.quoted...), r.shared...)
	r.ex.Message, r.ex.Metadata = r.out.JSON, r.metadata
	if r.phase == PhaseResponse {
		r.ex.Stdout, r.ex.Stderr = r.out.Stdout, r.out.Stderr
	}
	verdict, err := r.invoke(ctx, st)
	switch {
	case err != nil:
		return err
	case verdict == Continue:
		return r.take(p)
	case r.phase != PhaseRequest:
		return r.fault(p, guest.KindABI, fmt.Errorf("its verdict is %v, which is for the request phase", verdict))
	case verdict == Deny:
		r.out.Verdict, r.out.Plugin, r.out.Reason, r.out.Code = Deny, p.Name, r.ex.Reason, denial(r.ex.Code)
		r.out.Stdout, r.out.Stderr = nil, nil
	case verdict == Answer:
		r.out.Verdict, r.out.Plugin = Answer, p.Name
		r.out.Stdout, r.out.Stderr, r.lent = r.ex.NewStdout, r.ex.NewStderr, [2]bool{true, true}
	default:
		return r.fault(p, guest.KindABI, fmt.Errorf("returned %d, which is no verdict", int(verdict)))
	}
	if !r.dry {
		p.stats.verdict(verdict)
	}
	return nil
}

// invoke calls the plugin when it is the client's turn.
func (r *run) invoke(ctx context.Context, st *step) (Verdict, error) {
	p, patience := st.plugin, 2*st.plugin.Limits.Deadline
	if r.phase != PhaseRequest {
		patience = max(patience, r.selected.host.patience)
	}
	switch err := p.turns.take(ctx, r.caller.client, patience); {
	case errors.Is(err, errNoTurn):
		return Deny, r.fault(p, KindBusy, fmt.Errorf("limits.concurrency is %d, and %w", p.Limits.Concurrency, err))
	case err != nil:
		return Deny, r.fault(p, guest.KindCancelled, err)
	}
	defer p.turns.give(r.caller.client)
	if !r.dry {
		p.stats.calls.Add(1)
	}
	verdict, err := st.pool.Call(ctx, r.phase, &r.ex)
	r.out.Incomplete = r.out.Incomplete || r.ex.FetchWanted
	return verdict, err
}

// denial returns a code that a plugin may deny with.
func denial(code int) int {
	switch code {
	case 401, 429, 503:
		return code
	}
	return 403
}

func (r *run) fault(p *pluginIn, kind Kind, err error) error {
	return &Failure{Plugin: p.Name, Phase: r.phase, Kind: kind, Err: err}
}
