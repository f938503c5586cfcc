package journal

import (
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// checkNonces: what the writer knows of nonces is what is in the file, and what is wanted.
func checkNonces(t *testing.T, j *Journal, want map[[16]byte]bool) {
	t.Helper()
	_, stored, err := j.Nonces(t.Context())
	must(t, err)
	inFile := map[[16]byte]bool{}
	for _, n := range stored {
		inFile[n.Value] = true
	}
	if len(stored) != len(inFile) {
		t.Errorf("%d rows of %d nonces", len(stored), len(inFile))
	}
	if !maps.Equal(inFile, want) {
		t.Errorf("%d nonces are in the file, and %d should be", len(inFile), len(want))
	}
	must(t, j.writer.do(t.Context(), op{name: "look", run: func(st *statements) error {
		known := map[[16]byte]bool{}
		for value := range st.nonces.known {
			known[value] = true
		}
		if !maps.Equal(known, want) || len(st.nonces.fresh) != 0 || len(st.nonces.gone) != 0 {
			t.Errorf("the writer knows %d nonces, %d and %d under way; %d are used", len(known), len(st.nonces.fresh), len(st.nonces.gone), len(want))
		}
		return nil
	}}))
}

// Whatever becomes of the operations of a batch, a nonce is used exactly if its operation was acknowledged, also after a restart.
func TestNoncesOfBatches(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewSource(7))
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		used, list := map[[16]byte]bool{}, []Nonce{}
		jobs := 0
		boom := errors.New("boom")
		for round := range 12 {
			j, err := Open(t.Context(), testConfig(dir))
			must(t, err)
			checkNonces(t, j, used)
			for range 4 {
				lost := r.Intn(4) == 0 // the transaction of the batch
				release := hold(t, j)
				var group sync.WaitGroup
				var mu sync.Mutex
				acknowledged := []Nonce{}
				for i := range 1 + r.Intn(2*noncesAtOnce) {
					jobs++
					a, want := admission(fmt.Sprint("job ", jobs)), error(nil)
					switch r.Intn(8) {
					case 0: // whose nonce was used
						if len(list) > 0 {
							a.Nonce, want = new(list[r.Intn(len(list))]), ErrNonceUsed
						}
					case 1: // that is there
						a.Job.ID, want = "job 1", ErrExists
					case 2: // that leaves something behind when it is refused
						nonce := a.Nonce
						group.Go(func() {
							err := j.writer.do(t.Context(), op{name: "touch", run: func(st *statements) error {
								return errors.Join(nonce.store(st), st.exec(st.beat), boom)
							}})
							wantErr(t, err, boom)
						})
						synctest.Wait()
						continue
					}
					if jobs == 1 || round == 0 && i == 0 {
						want = nil
					}
					group.Go(func() {
						err := j.Admit(t.Context(), a)
						switch {
						case lost && !errors.Is(err, boom):
							t.Errorf("the transaction was lost, and %v the answer", err)
						case !lost && want == nil && err == nil:
							mu.Lock()
							acknowledged = append(acknowledged, *a.Nonce)
							mu.Unlock()
						case !lost && !errors.Is(err, ErrExists):
							wantErr(t, err, want)
						}
					})
					synctest.Wait()
				}
				if lost {
					group.Go(func() {
						wantErr(t, j.writer.do(t.Context(), op{name: "lose", run: func(st *statements) error { return errors.Join(boom, st.exec(st.rollback)) }}), boom)
					})
					synctest.Wait()
				}
				release()
				group.Wait()
				for _, n := range acknowledged {
					used[n.Value] = true
					list = append(list, n)
				}
				checkNonces(t, j, used)
			}
			must(t, j.Close())
		}
		if len(used) < 200 {
			t.Errorf("only %d nonces were used", len(used))
		}
	})
}

// The number of a row that was removed is given again; forgetting the one must not remove the other.
func TestForgetsOnlyItsOwnRow(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	old, young := newNonce(epoch), newNonce(epoch.Add(time.Hour))
	must(t, j.Admit(t.Context(), Admission{Nonce: &old}))
	expired, err := j.expired(t.Context(), old.Expires.Add(time.Second), 0)
	must(t, err)
	if n, err := j.PruneNonces(t.Context(), old.Expires.Add(time.Second)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	must(t, j.Admit(t.Context(), Admission{Nonce: &young}))
	must(t, j.writer.do(t.Context(), op{name: "prune nonces", run: func(st *statements) error { return st.forget(expired) }}))
	checkNonces(t, j, map[[16]byte]bool{young.Value: true})
	wantErr(t, j.Admit(t.Context(), Admission{Nonce: &young}), ErrNonceUsed)
}
