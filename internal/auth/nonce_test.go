package auth

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func verified(t *testing.T, v *Verifier, now time.Time, m Message) Nonce {
	t.Helper()
	_, n, err := v.Verify(now, m)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNonceIsGlobalAndCaseBlind(t *testing.T) {
	t.Parallel()
	other := []byte("the-secret-of-another")
	v := newVerifier(t, Config{Clients: []Client{
		{Name: "func", Secrets: [][]byte{testSecret}},
		{Name: "other", Secrets: [][]byte{other}},
	}})
	if err := v.Reserve(verified(t, v, testNow, sign(testSecret, testNonce, testNow, "{}"))); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]Message{
		"another body":   sign(testSecret, testNonce, testNow, `{"command":"id"}`),
		"another time":   sign(testSecret, testNonce, testNow.Add(time.Second), "{}"),
		"another case":   sign(testSecret, strings.ToUpper(testNonce), testNow, "{}"),
		"another client": sign(other, testNonce, testNow, "{}"),
	} {
		if err := v.Reserve(verified(t, v, testNow, m)); !errors.Is(err, ErrReplayed) {
			t.Errorf("%s: Reserve returned %v, want %v", name, err, ErrReplayed)
		}
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, Config{})
	n := verified(t, v, testNow, sign(testSecret, testNonce, testNow, "{}"))
	for range 3 {
		if err := v.Reserve(n); err != nil {
			t.Fatal(err)
		}
		v.Release(n)
	}
}

func TestUsedNoncesAreRestored(t *testing.T) {
	t.Parallel()
	m := sign(testSecret, testNonce, testNow, "{}")
	n := verified(t, newVerifier(t, Config{}), testNow, m)
	v := newVerifier(t, Config{Used: []Nonce{n}})
	if err := v.Reserve(verified(t, v, testNow, m)); !errors.Is(err, ErrReplayed) {
		t.Errorf("Reserve after a restart returned %v, want %v", err, ErrReplayed)
	}
}

func TestForgetKeepsWhatIsInTheWindow(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, Config{})
	m := sign(testSecret, testNonce, testNow, "{}")
	n := verified(t, v, testNow, m)
	if err := v.Reserve(n); err != nil {
		t.Fatal(err)
	}
	v.Forget(n.Expires) // the last moment at which the message verifies
	if err := v.Reserve(verified(t, v, n.Expires, m)); !errors.Is(err, ErrReplayed) {
		t.Errorf("Reserve at the end of the window returned %v, want %v", err, ErrReplayed)
	}
	v.Forget(n.Expires.Add(1))
	if len(v.used) != 0 || !v.floor.Equal(n.SignedAt) {
		t.Errorf("after the window %d nonces are kept and the floor is %v, want 0 and %v", len(v.used), v.floor, n.SignedAt)
	}
}

// TestClockSetBack and TestSkewRaised are the two ways in which the window can
// reach again over a nonce that was dropped.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, Config{})
	m := sign(testSecret, testNonce, testNow, "{}")
	if err := v.Reserve(verified(t, v, testNow, m)); err != nil {
		t.Fatal(err)
	}
	v.Forget(testNow.Add(time.Hour))
	if _, _, err := v.Verify(testNow, m); !errors.Is(err, ErrStale) {
		t.Errorf("with the clock set back: error %v, want %v", err, ErrStale)
	}
	fresh := sign(testSecret, NewNonce(), testNow.Add(time.Second), "{}")
	if err := v.Reserve(verified(t, v, testNow, fresh)); err != nil {
		t.Errorf("a new request above the floor: %v", err)
	}
}

func TestSkewRaised(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, Config{Skew: time.Minute})
	m := sign(testSecret, testNonce, testNow, "{}")
	if err := v.Reserve(verified(t, v, testNow, m)); err != nil {
		t.Fatal(err)
	}
	later := testNow.Add(2 * time.Minute)
	v.Forget(later)
	v = newVerifier(t, Config{Skew: time.Hour, Floor: v.floor})
	if _, _, err := v.Verify(later, m); !errors.Is(err, ErrStale) {
		t.Errorf("with a larger skew: error %v, want %v", err, ErrStale)
	}
}

// TestForgetBetweenVerifyAndReserve is the gap that a check of the floor in
// Verify alone would leave.
func TestForgetBetweenVerifyAndReserve(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, Config{})
	n := verified(t, v, testNow, sign(testSecret, testNonce, testNow, "{}"))
	if err := v.Reserve(n); err != nil {
		t.Fatal(err)
	}
	v.Forget(n.Expires.Add(time.Second))
	if err := v.Reserve(n); !errors.Is(err, ErrStale) {
		t.Errorf("Reserve of a copy returned %v, want %v", err, ErrStale)
	}
}

// TestReserveRace sends copies of signed requests at once, while nonces are
// being forgotten: one copy of each wins.
func TestReserveRace(t *testing.T) {
	t.Parallel()
	const nonces, copies = 200, 8
	v := newVerifier(t, Config{})
	var wins [nonces]atomic.Int32
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range nonces {
		m := sign(testSecret, numbered(i), testNow, "{}")
		for range copies {
			wg.Go(func() {
				<-start
				_, n, err := v.Verify(testNow, m)
				if err == nil {
					err = v.Reserve(n)
				}
				switch {
				case err == nil:
					wins[i].Add(1)
				case !errors.Is(err, ErrReplayed):
					t.Errorf("a copy got %v", err)
				}
			})
		}
	}
	wg.Go(func() {
		<-start
		for range 100 {
			v.Forget(testNow.Add(testSkew))
		}
	})
	close(start)
	wg.Wait()
	for i := range wins {
		if got := wins[i].Load(); got != 1 {
			t.Errorf("request %d was accepted %d times", i, got)
		}
	}
}

// TestNothingIsAcceptedTwice plays random histories: a clock that jumps,
// restarts with another skew, memory and journal pruned at different times in
// either order, and every message ever sent tried again and again.
func TestNothingIsAcceptedTwice(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		h := newHistory(t, seed)
		for range 120 {
			h.step()
		}
		if len(h.accepted) == 0 {
			t.Fatalf("seed %d: nothing was accepted, so nothing was tested", seed)
		}
	}
}

type history struct {
	t        *testing.T
	rand     *rand.Rand
	now      time.Time
	verifier *Verifier
	sent     []Message
	accepted map[int]bool // index in sent

	// What the journal holds: it drops by the same rule, at its own times.
	journal map[[16]byte]Nonce
	floor   time.Time
}

func newHistory(t *testing.T, seed uint64) *history {
	return &history{
		t: t, rand: rand.New(rand.NewPCG(seed, 0)), now: testNow,
		verifier: newVerifier(t, Config{Skew: time.Minute}),
		accepted: map[int]bool{}, journal: map[[16]byte]Nonce{},
	}
}

func (h *history) step() {
	switch h.rand.IntN(10) {
	case 0: // the clock jumps, mostly ahead
		h.now = h.now.Add(time.Duration(h.rand.IntN(900)-300) * time.Second)
	case 1:
		h.verifier.Forget(h.now)
	case 2:
		h.prune()
	case 3: // kill -9 and start again
		h.verifier = newVerifier(h.t, Config{
			Skew:  time.Duration(1+h.rand.IntN(600)) * time.Second,
			Floor: h.floor,
			Used:  slices.Collect(maps.Values(h.journal)),
		})
	case 4, 5, 6: // a new request
		at := h.now.Add(time.Duration(h.rand.IntN(120)-60) * time.Second)
		h.sent = append(h.sent, sign(testSecret, numbered(len(h.sent)), at, "{}"))
		h.try(len(h.sent) - 1)
	default: // copies
		for i := range h.sent {
			h.try(i)
		}
	}
}

func (h *history) prune() {
	for value, n := range h.journal {
		if h.now.After(n.Expires) {
			delete(h.journal, value)
			if n.SignedAt.After(h.floor) {
				h.floor = n.SignedAt
			}
		}
	}
}

func (h *history) try(i int) {
	_, n, err := h.verifier.Verify(h.now, h.sent[i])
	if h.rand.IntN(20) == 0 { // between the two, as it may happen
		h.verifier.Forget(h.now.Add(time.Hour))
	}
	if err != nil || h.verifier.Reserve(n) != nil {
		return
	}
	if h.accepted[i] {
		h.t.Fatalf("message %d was accepted twice, at %v with floor %v", i, h.now, h.verifier.floor)
	}
	h.accepted[i] = true
	h.journal[n.Value] = n
}

// numbered returns the i-th nonce of a test.
func numbered(i int) string {
	var value [16]byte
	binary.BigEndian.PutUint64(value[8:], uint64(i))
	return hex.EncodeToString(value[:])
}

func BenchmarkReserveForget(b *testing.B) {
	v := newVerifier(b, Config{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n := Nonce{SignedAt: testNow, Expires: testNow.Add(testSkew)}
		binary.BigEndian.PutUint64(n.Value[:], uint64(i))
		if err := v.Reserve(n); err != nil {
			b.Fatal(err)
		}
		v.Release(n)
	}
}

// BenchmarkForget measures a pass over as many nonces as 200 requests a second
// leave at the default skew, while none is dropped: Reserve waits this long.
func BenchmarkForget(b *testing.B) {
	v := newVerifier(b, Config{})
	for i := range 200 * 600 {
		n := Nonce{SignedAt: testNow, Expires: testNow.Add(testSkew)}
		binary.BigEndian.PutUint64(n.Value[:], uint64(i))
		if err := v.Reserve(n); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		v.Forget(testNow)
	}
}
