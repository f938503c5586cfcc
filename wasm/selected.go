package wasm

import (
	"context"
	"fmt"
	"sync/atomic"
)

// Selected is the plugins that run for one message. It keeps their generation in service until it is
// closed. Run may be called more than once; Close may be called at any time, and waits for nothing.
type Selected struct {
	host       *Host
	generation *generation // nil where there are no steps
	phase      int         // as in phases
	steps      []step
	err        error // why nothing can run
	closed     atomic.Bool
}

var none = &Selected{}

// Select returns the plugins that run in a phase for a subject. The caller must close it. It never
// fails by itself: where there is no set, Run does.
func (h *Host) Select(phase Phase, s Subject) *Selected {
	n := phaseIndex(phase)
	if n < 0 {
		return &Selected{err: fmt.Errorf("wasm: there is no phase %s", quote(string(phase)))}
	}
	for {
		g := h.current.Load()
		switch {
		case g == nil && h.closed.Load():
			return &Selected{err: ErrClosed}
		case g == nil:
			return &Selected{err: ErrNotLoaded}
		case len(g.chains[n]) == 0:
			return none
		case !g.acquire():
			continue // it was replaced and closed between the two
		}
		steps := g.steps(n, &s)
		if len(steps) == 0 {
			g.release()
			return none
		}
		return &Selected{host: h, generation: g, phase: n, steps: steps}
	}
}

// Empty reports whether Run would return every message as it is.
func (s *Selected) Empty() bool { return s.err == nil && len(s.steps) == 0 }

// Names returns the plugins in the order they run.
func (s *Selected) Names() []string {
	names := make([]string, len(s.steps))
	for i := range s.steps {
		names[i] = s.steps[i].plugin.Name
	}
	return names
}

// Close lets the generation go. More than once does no harm.
func (s *Selected) Close() {
	if s.generation != nil && !s.closed.Swap(true) {
		s.generation.release()
	}
}

// Run passes a message through the plugins until one denies or answers it. An error means that the
// message must not go on: a *Failure says which plugin failed and how. The Outcome then holds what had
// been changed and skipped before, for the record, and no message.
//
// A message that is cancelled is never skipped over a plugin.
func (s *Selected) Run(ctx context.Context, m Message) (Outcome, error) {
	switch {
	case s.err != nil:
		return Outcome{Verdict: Deny}, s.err
	case len(s.steps) == 0:
		return Outcome{JSON: m.JSON, Stdout: m.Stdout, Stderr: m.Stderr}, nil
	case s.closed.Load() || !s.generation.acquire():
		return Outcome{Verdict: Deny}, ErrClosed
	}
	defer s.generation.release()
	r := runs.Get().(*run)
	defer r.end()
	r.begin(s, &m)
	for i := range s.steps {
		err := r.step(ctx, &s.steps[i])
		if err != nil {
			r.out.Verdict, r.out.JSON, r.out.Stdout, r.out.Stderr = Deny, nil, nil, nil
			return r.out, err
		}
		if r.out.Verdict != Continue {
			break
		}
	}
	return r.outcome(), nil
}
