package policy

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// TestReloadWith: what is done alongside is done when the policy comes into force, once, and not at all where it does not; no edit comes into force while it is
// being prepared.
func TestReloadWith(t *testing.T) {
	t.Parallel()
	e, _, dir := openFiles(t, map[string]string{"p.rego": allows("0")})
	done := 0
	reload := func(prepare error) error {
		return e.ReloadWith(t.Context(), func() (func(), error) { return func() { done++ }, prepare })
	}
	for _, tt := range []struct {
		name    string
		text    string // of the policy, "" for what it was
		prepare error
		done    int
		grant   string
	}{
		{"a new policy", allows("1"), nil, 1, "1"},
		{"the same", "", nil, 2, "1"},
		{"a broken one", "package sidegate\n\ndecision := {", nil, 2, "1"},
		{"nothing prepared", allows("2"), errors.New("no"), 2, "1"},
		{"mended", "", nil, 3, "2"},
	} {
		if tt.text != "" {
			write(t, dir, map[string]string{"p.rego": tt.text})
		}
		err := reload(tt.prepare)
		if tt.prepare != nil && !errors.Is(err, tt.prepare) || (err == nil) != (tt.name != "a broken one" && tt.prepare == nil) || done != tt.done {
			t.Errorf("%s: %v, done %d times, want %d", tt.name, err, done, tt.done)
		}
		if tt.prepare != nil { // the watch may take it by now
			continue
		}
		if d := decide(t, e, oneCommand()); d.Grants[0] != tt.grant {
			t.Errorf("%s: decided by %v, want %s", tt.name, d.Grants, tt.grant)
		}
	}
}

// TestReloadWithIsOneMoment: who decides sees the policy together with what was done alongside, whenever it asks.
func TestReloadWithIsOneMoment(t *testing.T) {
	t.Parallel()
	e, _, dir := openFiles(t, map[string]string{"p.rego": allows("0")})
	var (
		current, count atomic.Int64
		over           atomic.Bool
		askers         sync.WaitGroup
	)
	for range 4 {
		askers.Go(func() {
			for !over.Load() {
				before := current.Load()
				d, err := e.Decide(t.Context(), oneCommand())
				after := current.Load()
				// What was done alongside before the question was asked is seen by it, and nothing is seen that was not done.
				var seen int64
				if _, scanned := fmt.Sscan(d.Grants[0], &seen); err != nil || scanned != nil || seen < before || seen > after {
					t.Errorf("decided by %v, %v, between %d and %d", d.Grants, err, before, after)
					return
				}
				count.Add(1)
			}
		})
	}
	for i := int64(1); i <= 20; i++ {
		err := e.ReloadWith(t.Context(), func() (func(), error) {
			write(t, dir, map[string]string{"p.rego": allows(fmt.Sprint(i))}) // which the watch cannot take now
			return func() { current.Store(i) }, nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	over.Store(true)
	askers.Wait()
	if count.Load() == 0 {
		t.Error("nothing was decided")
	}
}
