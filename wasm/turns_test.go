package wasm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// takes starts a take and returns what says how it ended.
func takes(ctx context.Context, turns *turns, client string, patience time.Duration) chan error {
	ended := make(chan error, 1)
	go func() { ended <- turns.take(ctx, client, patience) }()
	synctest.Wait()
	return ended
}

// isGiven checks that a take has its slot.
func isGiven(t *testing.T, name string, ended chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	default:
		t.Fatalf("%s waits", name)
	}
}

// isWaiting checks that a take waits still.
func isWaiting(t *testing.T, name string, ended chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-ended:
		t.Fatalf("%s has ended: %v", name, err)
	default:
	}
}

func counts(t *testing.T, turns *turns, running, waiting int) {
	t.Helper()
	if r, w := turns.count(); r != running || w != waiting {
		t.Fatalf("%d running and %d waiting, want %d and %d", r, w, running, waiting)
	}
}

// TestTurnsGoToWhoHoldsFewest: a client that comes late is served before the many calls of one that came early.
func TestTurnsGoToWhoHoldsFewest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(3)
		var greedy []chan error
		for range 6 {
			greedy = append(greedy, takes(t.Context(), turns, "greedy", time.Hour))
		}
		for i := range 3 { // nobody else is there
			isGiven(t, fmt.Sprint("greedy ", i), greedy[i])
		}
		quiet, other := takes(t.Context(), turns, "quiet", time.Hour), takes(t.Context(), turns, "other", time.Hour)
		again := takes(t.Context(), turns, "quiet", time.Hour)
		counts(t, turns, 3, 6)
		turns.give("greedy")
		isGiven(t, "quiet", quiet)
		isWaiting(t, "other", other)
		turns.give("greedy")
		isGiven(t, "other", other) // which holds none, and quiet one
		isWaiting(t, "again", again)
		isWaiting(t, "greedy 3", greedy[3])
		turns.give("greedy")
		isGiven(t, "greedy 3", greedy[3]) // has been in line longer than quiet's second, and holds none now
		turns.give("other")
		isGiven(t, "again", again) // quiet and greedy hold one each, and greedy's turn was later
		turns.give("greedy")
		isGiven(t, "greedy 4", greedy[4])
		turns.give("quiet")
		turns.give("quiet")
		isGiven(t, "greedy 5", greedy[5])
		turns.give("greedy")
		turns.give("greedy")
		counts(t, turns, 0, 0)
	})
}

func TestTurnsAreWaitedForSoLong(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name     string
		ctx      func(t *testing.T) context.Context
		patience time.Duration
		after    time.Duration
		want     error
		text     string
	}{
		{"patience", func(t *testing.T) context.Context { return t.Context() }, 2 * time.Second, 2 * time.Second, errNoTurn, "the turn of this call did not come within 2s"},
		{"no patience", func(t *testing.T) context.Context { return t.Context() }, 0, 0, errNoTurn, "the turn of this call did not come within 0s"},
		{"over before", func(*testing.T) context.Context { return cancelled }, time.Hour, 0, context.Canceled, ""},
		{"over meanwhile", func(t *testing.T) context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(3*time.Second, cancel)
			return ctx
		}, time.Hour, 3 * time.Second, context.Canceled, ""},
		{"half of what is left", func(t *testing.T) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			t.Cleanup(cancel)
			return ctx
		}, time.Hour, 5 * time.Second, errNoTurn, "the turn of this call did not come within 5s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				turns := newTurns(1)
				if err := turns.take(t.Context(), "a", 0); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				err := turns.take(tt.ctx(t), "b", tt.patience)
				if took := time.Since(start); took != tt.after || !errors.Is(err, tt.want) || tt.text != "" && err.Error() != tt.text {
					t.Errorf("%v after %v", err, took)
				}
				counts(t, turns, 1, 0)
				turns.give("a")
				if err := turns.take(t.Context(), "b", 0); err != nil { // nobody who left is given anything
					t.Error(err)
				}
			})
		})
	}
}

// TestTurnThatComesTooLate: a slot that is given at the moment its caller gives up is used or goes on to the next, and is
// not lost.
func TestTurnThatComesTooLate(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) { // which of the two comes first is the scheduler's to say
		synctest.Test(t, func(t *testing.T) {
			turns := newTurns(1)
			if err := turns.take(t.Context(), "a", 0); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			patience := time.Second
			if seed%2 == 0 {
				patience = time.Hour
				time.AfterFunc(time.Second, cancel)
			}
			time.AfterFunc(time.Second, func() { turns.give("a") })
			if turns.take(ctx, "b", patience) == nil {
				turns.give("b")
			}
			cancel()
			synctest.Wait()
			counts(t, turns, 0, 0)
			if turns.free != 1 || len(turns.held) != 0 {
				t.Fatalf("%d slots are free, held %v", turns.free, turns.held)
			}
		})
	}
}

// TestTurnOfWhoLeft holds the moment between a caller's end and its leaving the line, and gives it a slot then.
func TestTurnOfWhoLeft(t *testing.T) {
	t.Parallel()
	turns := newTurns(1)
	if err := turns.take(t.Context(), "a", 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- turns.take(ctx, "b", time.Hour) }()
	for waiting := 0; waiting == 0; _, waiting = turns.count() {
		runtime.Gosched()
	}
	turns.mu.Lock()
	cancel()
	turns.pass("a")
	turns.mu.Unlock()
	if err := <-ended; err == nil {
		turns.give("b")
	}
	counts(t, turns, 0, 0)
	if turns.free != 1 || len(turns.held) != 0 {
		t.Errorf("%d slots are free, held %v", turns.free, turns.held)
	}
}

// TestTurnsAtOnce has many goroutines want slots, some of which give up: never are there more than there should be, and none
// is lost.
func TestTurnsAtOnce(t *testing.T) {
	t.Parallel()
	const slots = 3
	turns := newTurns(slots)
	var running atomic.Int64
	var callers sync.WaitGroup
	for i := range 24 {
		callers.Go(func() {
			client, dice := fmt.Sprint(i%5), rand.New(rand.NewPCG(1, uint64(i)))
			for range 400 {
				ctx, cancel := context.WithCancel(t.Context())
				patience := time.Minute
				switch dice.IntN(4) {
				case 0:
					patience = time.Duration(dice.IntN(20)) * time.Microsecond
				case 1:
					go cancel()
				}
				if turns.take(ctx, client, patience) == nil {
					if n := running.Add(1); n > slots {
						t.Errorf("%d at once", n)
					}
					running.Add(-1)
					turns.give(client)
				}
				cancel()
			}
		})
	}
	callers.Wait()
	counts(t, turns, 0, 0)
	if turns.free != slots || len(turns.held) != 0 {
		t.Errorf("%d slots are free, held %v", turns.free, turns.held)
	}
}
