package journal

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Of many identical nonces at once one wins, also when they meet in one batch.
func TestSameNonceAtOnce(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	for range 20 {
		var (
			used  = newNonce(epoch)
			won   atomic.Int32
			group sync.WaitGroup
		)
		for range 8 {
			group.Go(func() {
				switch err := j.Admit(t.Context(), Admission{Nonce: &used}); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, ErrNonceUsed):
					t.Errorf("Admit: %v, want ErrNonceUsed", err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of 8 copies were admitted", won.Load())
		}
	}
}

// Nonces are global: another client cannot use one again, and neither can another job or a refused request.
func TestNonceIsUsedUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	denied, granted := Admission{Nonce: freshNonce(epoch)}, admission("a")
	must(t, j.Admit(t.Context(), denied))
	must(t, j.Admit(t.Context(), granted))
	must(t, j.Close())

	j = openTest(t, dir)
	for _, n := range []*Nonce{denied.Nonce, granted.Nonce} {
		again := admission("b")
		again.Nonce = new(*n)
		again.Nonce.Client = "somebody else"
		wantErr(t, j.Admit(t.Context(), again), ErrNonceUsed)
	}
	_, err = j.Job(t.Context(), "b")
	wantErr(t, err, ErrNotFound)
}

func TestNonces(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	floor, loaded, err := j.Nonces(t.Context())
	must(t, err)
	if !floor.IsZero() || len(loaded) != 0 {
		t.Errorf("a new journal has floor %v and nonces %v", floor, loaded)
	}
	want := []Nonce{newNonce(epoch), newNonce(epoch.Add(time.Second))}
	for _, n := range want {
		must(t, j.Admit(t.Context(), Admission{Nonce: &n}))
	}
	_, loaded, err = j.Nonces(t.Context())
	must(t, err)
	if !slices.Equal(loaded, want) {
		t.Errorf("nonces %v, want %v", loaded, want)
	}
}

// Pruning leaves a floor behind that holds when the clock is set back or the window is made larger, also after a restart.
func TestFloor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	admit := func(n Nonce) error { return j.Admit(t.Context(), Admission{Nonce: &n}) }
	early, late, kept := newNonce(epoch), newNonce(epoch.Add(time.Minute)), newNonce(epoch.Add(2*time.Minute))
	for _, n := range []Nonce{early, late, kept} {
		must(t, admit(n))
	}

	now := late.Expires
	if n, err := j.PruneNonces(t.Context(), now); n != 1 || err != nil {
		t.Fatalf("pruned %d, %v; want only the one that expired before now", n, err)
	}
	wantErr(t, admit(late), ErrNonceUsed)
	if n, err := j.PruneNonces(t.Context(), now.Add(time.Microsecond)); n != 1 || err != nil {
		t.Fatalf("pruned %d, %v", n, err)
	}
	checkFloor := func() {
		t.Helper()
		floor, loaded, err := j.Nonces(t.Context())
		must(t, err)
		if !floor.Equal(late.SignedAt) || !slices.Equal(loaded, []Nonce{kept}) {
			t.Errorf("floor %v and nonces %v, want %v and %v", floor, loaded, late.SignedAt, []Nonce{kept})
		}
		// The clock is set back, so that these signatures are inside the window again.
		wantErr(t, admit(early), ErrNonceForgotten)
		wantErr(t, admit(late), ErrNonceForgotten)
		wantErr(t, admit(newNonce(late.SignedAt)), ErrNonceForgotten)
		wantErr(t, admit(kept), ErrNonceUsed)
	}
	checkFloor()
	must(t, admit(Nonce{Value: [16]byte{1}, Client: "func", SignedAt: late.SignedAt.Add(time.Microsecond), Expires: kept.Expires}))
	must(t, j.Close())

	j = openTest(t, dir)
	must(t, ignoreCount(j.PruneNonces(t.Context(), epoch.Add(-time.Hour)))) // a clock far behind prunes nothing and lowers nothing
	wantErr(t, admit(late), ErrNonceForgotten)
	must(t, ignoreCount(j.PruneNonces(t.Context(), epoch.Add(time.Hour))))
	floor, loaded, err := j.Nonces(t.Context())
	must(t, err)
	if !floor.Equal(kept.SignedAt) || len(loaded) != 0 {
		t.Errorf("floor %v and nonces %v, want %v and none", floor, loaded, kept.SignedAt)
	}
}

func ignoreCount(_ int, err error) error { return err }

// Pruning more than fits one commit.
func TestPruneManyNonces(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	const many = pruneNonces + 10
	must(t, j.writer.do(t.Context(), op{name: "fill", run: func(st *statements) error {
		for i := range many {
			n := newNonce(epoch.Add(time.Duration(i) * time.Second))
			if err := n.store(st); err != nil {
				return err
			}
		}
		return nil
	}}))
	if n, err := j.PruneNonces(t.Context(), epoch.AddDate(1, 0, 0)); n != many || err != nil {
		t.Errorf("pruned %d, %v; want %d", n, err, many)
	}
	floor, loaded, err := j.Nonces(t.Context())
	must(t, err)
	if want := epoch.Add((many - 1) * time.Second); !floor.Equal(want) || len(loaded) != 0 {
		t.Errorf("floor %v and %d nonces, want %v and none", floor, len(loaded), want)
	}
}

func TestCancelledBeforeQueueing(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := admission("a")
	wantErr(t, j.Admit(ctx, a), context.Canceled)
	must(t, j.Admit(t.Context(), a)) // neither nonce nor job was stored
}

// A call that cannot be repeated needs no nonce, and leaves its leaves.
func TestAdmissionWithoutANonce(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	a := admission("a")
	a.Nonce, a.Leaves = nil, [][]byte{[]byte("admitted")}
	must(t, j.Admit(t.Context(), a))
	must(t, j.Admit(t.Context(), Admission{Leaves: [][]byte{[]byte("denied")}}))
	wantErr(t, j.Admit(t.Context(), a), ErrExists)
	must(t, j.Admit(t.Context(), Admission{}))
	if _, used, err := j.Nonces(t.Context()); err != nil || len(used) != 0 {
		t.Errorf("nonces are %v, %v", used, err)
	}
	var audit model
	audit.add(t, []byte("admitted"))
	audit.add(t, []byte("denied"))
	checkAudit(t, j.Reader, &audit)
}
