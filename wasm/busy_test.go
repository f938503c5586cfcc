package wasm

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/wasm/guest"
)

// lasts is a plugin whose calls take so long, for all phases that may be skipped.
func lasts(d time.Duration) behaviour {
	return behaviour{phases: []Phase{PhaseRequest, PhaseCallback}, call: func(string, *guest.Exchange) (Verdict, error) {
		time.Sleep(d)
		return Continue, nil
	}}
}

// TestGreedyClientStarvesNobody: while one client has a hundred calls of a slow plugin wanted at any moment, the calls of
// another, one by one, all have their turn, and wait for it no longer than one call takes.
func TestGreedyClientStarvesNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, map[string]behaviour{"slow": lasts(time.Second)})
		set := b.chainOf(PhaseRequest, "slow")
		set.Plugins[0].Failure = FailureSkip
		b.load(set)
		var over atomic.Bool
		var greedy sync.WaitGroup
		var passed, busy atomic.Int64
		for range 100 {
			greedy.Go(func() {
				for !over.Load() {
					switch out, err := b.run(PhaseRequest, request("greedy")); {
					case err == nil && len(out.Skipped) == 0:
						passed.Add(1)
					case kindOf(err) == KindBusy:
						busy.Add(1)
					default:
						t.Errorf("greedy: %+v, %v", out, err)
					}
				}
			})
		}
		time.Sleep(10 * time.Second)
		const calls = 50
		for range calls {
			start := time.Now()
			out, err := b.run(PhaseRequest, request("quiet"))
			if took := time.Since(start); err != nil || len(out.Skipped) > 0 || took > 2*time.Second {
				t.Fatalf("quiet: %+v, %v after %v", out, err, took)
			}
		}
		over.Store(true)
		greedy.Wait()
		if busy.Load() == 0 || passed.Load() == 0 {
			t.Errorf("of greedy's calls %d passed, and %d had no turn", passed.Load(), busy.Load())
		}
		s := b.Status()[0]
		if s.Calls != uint64(passed.Load()+calls) || len(s.Failures) != 1 || s.Failures[KindBusy] != uint64(busy.Load()) || !s.Healthy || s.OpenFor != 0 || s.Running+s.Waiting != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// TestBusy has one call hold the only slot: how long others wait in each phase, and that a call which was not made is never
// skipped and says nothing about the plugin.
func TestBusy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		phase   Phase
		failure FailureMode
		limits  Limits
		left    time.Duration // of the context; 0 is for ever
		after   time.Duration
		text    string
	}{
		{"request", PhaseRequest, FailureDeny, Limits{}, 0, 2 * time.Second, "2s"},
		{"request, skipped on failure", PhaseRequest, FailureSkip, Limits{}, 0, 2 * time.Second, "2s"},
		{"request, quick plugin", PhaseRequest, FailureSkip, Limits{Deadline: 50 * time.Millisecond}, 0, 100 * time.Millisecond, "100ms"},
		{"response", PhaseResponse, FailureDeny, Limits{}, 0, 30 * time.Second, "30s"},
		{"response, slow plugin", PhaseResponse, FailureDeny, Limits{Deadline: 20 * time.Second}, 0, 40 * time.Second, "40s"},
		{"callback", PhaseCallback, FailureDeny, Limits{}, 0, 30 * time.Second, "30s"},
		{"callback of an attempt", PhaseCallback, FailureSkip, Limits{}, 10 * time.Second, 5 * time.Second, "5s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				free := make(chan struct{})
				does := behaviour{call: func(string, *guest.Exchange) (Verdict, error) { <-free; return Continue, nil }}
				if tt.failure == FailureSkip {
					does.phases = []Phase{PhaseRequest, PhaseCallback}
				}
				b := newBench(t, map[string]behaviour{"p": does})
				set := b.chainOf(tt.phase, "p")
				set.Plugins[0].Failure, set.Plugins[0].Limits = tt.failure, tt.limits
				set.Plugins[0].Limits.Concurrency = 1
				b.load(set)
				m := map[Phase]Message{PhaseRequest: request("x"), PhaseResponse: {JSON: []byte(aResponse)}, PhaseCallback: {JSON: []byte(aCallback)}}[tt.phase]
				m.Metadata.Client.Name = "x"
				var holder sync.WaitGroup
				holder.Go(func() {
					if _, err := b.run(tt.phase, m); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()
				for range 2 * DefaultBreakAfter {
					b.isBusy(t, tt.phase, m, tt.left, tt.after, "limits.concurrency is 1, and the turn of this call did not come within "+tt.text)
				}
				s := b.Status()[0]
				if s.Failures[KindBusy] != 2*DefaultBreakAfter || s.Calls != 1 || s.Running != 1 || s.Waiting != 0 || !s.Healthy || s.Breaker != "closed" || !strings.HasPrefix(s.LastFailure, "busy: ") {
					t.Errorf("status %+v", s)
				}
				if log := b.log.String(); strings.Count(log, `msg="plugin is busy" plugin=p phase=`+string(tt.phase)) != 2*DefaultBreakAfter || strings.Contains(log, "plugin failed") {
					t.Errorf("the log is %s", log)
				}
				close(free)
				holder.Wait()
				if out, err := b.run(tt.phase, m); err != nil || len(out.Skipped) > 0 {
					t.Errorf("with a slot free: %+v, %v", out, err)
				}
			})
		})
	}
}

// isBusy makes a call whose turn does not come.
func (b *workbench) isBusy(t *testing.T, phase Phase, m Message, left, after time.Duration, text string) {
	t.Helper()
	ctx, cancel := t.Context(), func() {}
	if left > 0 {
		ctx, cancel = context.WithTimeout(ctx, left)
	}
	defer cancel()
	s := b.Select(phase, Subject{})
	defer s.Close()
	start := time.Now()
	out, err := s.Run(ctx, m)
	var failure *Failure
	if !errors.As(err, &failure) || failure.Kind != KindBusy || failure.Plugin != "p" || failure.Phase != phase || failure.Err.Error() != text {
		t.Fatalf("got %v", err)
	}
	if took := time.Since(start); took != after || out.Verdict != Deny || len(out.Skipped) > 0 || out.JSON != nil {
		t.Fatalf("got %+v after %v, want %v", out, took, after)
	}
}

// TestWaitingIsCancelled: a message that nobody wants any more is not blamed on the plugin either.
func TestWaitingIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, map[string]behaviour{"p": lasts(time.Minute)})
		set := b.chainOf(PhaseRequest, "p")
		set.Plugins[0].Failure, set.Plugins[0].Limits.Concurrency = FailureSkip, 1
		b.load(set)
		go b.run(PhaseRequest, request("x"))
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		s := b.Select(PhaseRequest, Subject{})
		defer s.Close()
		if out, err := s.Run(ctx, request("x")); kindOf(err) != guest.KindCancelled || len(out.Skipped) > 0 {
			t.Errorf("got %+v, %v", out, err)
		}
		dry := request("x")
		dry.NoFetch = true
		if _, err := b.run(PhaseRequest, dry); kindOf(err) != KindBusy {
			t.Errorf("a dry run: %v", err)
		}
		if s := b.Status()[0]; s.Calls != 1 || s.Failures[KindBusy] != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// TestTrialThatIsBusy: the one call after the breaker's cool-down that has no turn leaves the trial to the next.
func TestTrialThatIsBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var does sometimes
		does.failing.Store(1)
		failing := does.behaviour().call
		b := newBench(t, map[string]behaviour{"p": {phases: []Phase{PhaseRequest}, call: func(config string, x *guest.Exchange) (Verdict, error) {
			if does.failing.Load() == 0 {
				time.Sleep(time.Minute)
			}
			return failing(config, x)
		}}})
		set := b.chainOf(PhaseRequest, "p")
		set.Plugins[0].Limits.Concurrency = 1
		b.load(set)
		for range DefaultBreakAfter {
			if _, err := b.run(PhaseRequest, request("bad")); kindOf(err) != guest.KindTrap {
				t.Fatal(err)
			}
		}
		does.failing.Store(0)
		var holder sync.WaitGroup
		holder.Go(func() { b.run(PhaseRequest, request("good")) })
		synctest.Wait()
		b.advance(DefaultCoolDown)
		for range 2 {
			if _, err := b.run(PhaseRequest, request("bad")); kindOf(err) != KindBusy {
				t.Fatal(err)
			}
		}
		holder.Wait()
		if _, err := b.run(PhaseRequest, request("bad")); err != nil {
			t.Error(err)
		}
	})
}
