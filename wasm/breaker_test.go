package wasm

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/wasm/guest"
)

// sometimes fails for clients that are in it.
type sometimes struct{ failing, calls atomic.Int64 }

func (s *sometimes) behaviour() behaviour {
	return behaviour{phases: []Phase{PhaseRequest, PhaseCallback}, call: func(string, *guest.Exchange) (Verdict, error) {
		s.calls.Add(1)
		if s.failing.Load() != 0 {
			return Deny, errTrap
		}
		return Continue, nil
	}}
}

func kindOf(err error) Kind {
	var failure *Failure
	if errors.As(err, &failure) {
		return failure.Kind
	}
	return ""
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	var does sometimes
	b := newBench(t, map[string]behaviour{"p": does.behaviour()})
	set := b.chainOf(PhaseRequest, "p")
	set.Chains = append(set.Chains, Chain{Name: "d", Phase: PhaseCallback, Plugins: []string{"p"}})
	b.load(set)
	try := func(phase Phase, client string, want Kind, called bool) {
		t.Helper()
		before := does.calls.Load()
		_, err := b.run(phase, request(client))
		if kindOf(err) != want || (does.calls.Load() != before) != called {
			t.Fatalf("%s for %s: %v, called %v; want %q, %v", phase, client, err, does.calls.Load() != before, want, called)
		}
	}
	status := func(breaker string, openFor int, healthy bool) {
		t.Helper()
		if s := b.Status()[0]; s.Breaker != breaker || s.OpenFor != openFor || s.Healthy != healthy {
			t.Fatalf("breaker %s for %d, healthy %v; want %s for %d, %v", s.Breaker, s.OpenFor, s.Healthy, breaker, openFor, healthy)
		}
	}
	try(PhaseRequest, "good", "", true)

	// Failures that are not in a row do not open it.
	for range 3 {
		does.failing.Store(1)
		for range DefaultBreakAfter - 1 {
			try(PhaseRequest, "bad", guest.KindTrap, true)
		}
		does.failing.Store(0)
		try(PhaseRequest, "bad", "", true)
	}
	status("closed", 0, true)

	// Those in a row do, for this client in this phase only.
	does.failing.Store(1)
	for range DefaultBreakAfter {
		try(PhaseRequest, "bad", guest.KindTrap, true)
	}
	status("open", 1, false)
	try(PhaseRequest, "bad", KindBreaker, false)
	does.failing.Store(0)
	try(PhaseRequest, "bad", KindBreaker, false)
	try(PhaseCallback, "bad", "", true)
	status("open", 1, false) // it works, but in another phase
	try(PhaseRequest, "good", "", true)
	status("open", 1, true)

	// After the cool-down one call is tried; if it fails, the next comes after another.
	b.advance(DefaultCoolDown - 1)
	try(PhaseRequest, "bad", KindBreaker, false)
	b.advance(1)
	does.failing.Store(1)
	try(PhaseRequest, "bad", guest.KindTrap, true)
	try(PhaseRequest, "bad", KindBreaker, false)
	b.advance(DefaultCoolDown)
	status("closed", 0, true) // so that a gateway without traffic does not stay unhealthy
	does.failing.Store(0)
	try(PhaseRequest, "bad", "", true)
	try(PhaseRequest, "bad", "", true)
	if s := b.Status()[0]; s.Failures[KindBreaker] != 4 || s.LastFailure != "trap: unreachable executed" {
		t.Errorf("status %+v", s)
	}
}

// TestBreakerTriesOneCall holds the trial, during which nothing else may be called.
func TestBreakerTriesOneCall(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	b := newBreaker(2, time.Second, func() time.Time { return now })
	c := caller{"x", PhaseRequest}
	step := func(wantOK, wantTrial bool) {
		t.Helper()
		if ok, trial := b.allow(c, false); ok != wantOK || trial != wantTrial {
			t.Fatalf("allowed %v, trial %v", ok, trial)
		}
	}
	step(true, false)
	if b.settle(c, false, true) {
		t.Error("open after one failure")
	}
	step(true, false) // ends late, below
	step(true, false)
	if !b.settle(c, false, true) {
		t.Error("not open after two")
	}
	step(false, false)
	now = now.Add(time.Second)
	step(true, true)
	step(false, false)
	if ok, trial := b.allow(c, true); !ok || trial {
		t.Error("a dry run took the place of the trial, or was refused")
	}
	b.forget(c, true) // cancelled: the next one is the trial
	step(true, true)
	if b.settle(c, false, true) { // the late one: it is open again, and says so no second time
		t.Error("reported twice")
	}
	step(false, false)
	now = now.Add(time.Second)
	step(false, false) // the trial has not come back
	b.settle(c, true, false)
	step(true, false)
	if n := len(b.byCaller); n != 0 || b.streaks.Load() != 0 {
		t.Errorf("%d entries are left", n)
	}
}

// TestBreakerOpenFailsAsConfigured keeps deny deny and skip skip.
func TestBreakerOpenFailsAsConfigured(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]behaviour{"p": {phases: []Phase{PhaseRequest}, call: fails.call}})
	set := b.chainOf(PhaseRequest, "p")
	set.Plugins[0].Failure = FailureSkip
	b.load(set)
	for i := range DefaultBreakAfter + 2 {
		out, err := b.run(PhaseRequest, request("x"))
		if err != nil || len(out.Skipped) != 1 {
			t.Fatalf("call %d: %+v, %v", i, out, err)
		}
	}
	set.Plugins[0].Failure = FailureDeny
	b.load(set) // the same module, so the breaker is open still
	if _, err := b.run(PhaseRequest, request("x")); kindOf(err) != KindBreaker {
		t.Errorf("got %v", err)
	}
}

// TestBreakerDoesNotWithholdOutput keeps a plugin of the response phase being called.
func TestBreakerDoesNotWithholdOutput(t *testing.T) {
	t.Parallel()
	var does sometimes
	does.failing.Store(1)
	b := newBench(t, map[string]behaviour{"p": {call: does.behaviour().call}})
	b.load(b.chainOf(PhaseResponse, "p"))
	for range DefaultBreakAfter + 1 {
		if _, err := b.run(PhaseResponse, Message{JSON: []byte(aResponse)}); kindOf(err) != guest.KindTrap {
			t.Fatalf("got %v", err)
		}
	}
	if s := b.Status()[0]; s.Healthy || s.OpenFor != 1 {
		t.Errorf("status %+v", s)
	}
	does.failing.Store(0)
	if _, err := b.run(PhaseResponse, Message{JSON: []byte(aResponse)}); err != nil {
		t.Error(err)
	}
	if s := b.Status()[0]; !s.Healthy || s.OpenFor != 0 {
		t.Errorf("status %+v", s)
	}
}
