package durability

import (
	"crypto/sha256"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// receiver takes callbacks, each at a path of its own. It is slow at times, and of the first attempts it refuses some and drops some after it has read them.
type receiver struct {
	url string

	mu      sync.Mutex
	arrived map[string]*arrivals // by path
	broken  bool                 // answers 500 to all
	calm    bool                 // does well by all others

	forgetful bool // keeps nothing of what arrived
}

// arrivals are the callbacks that came to one path.
type arrivals struct {
	attempts   int
	taken      int                 // were answered with 200
	deliveries map[string]int      // by X-Sidegate-Delivery
	bodies     map[[32]byte]string // what they said of how the command ended, by digest
}

func receive(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{arrived: map[string]*arrivals{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	text, err := io.ReadAll(req.Body)
	if err != nil { // the gateway was killed
		return
	}
	var body struct {
		Kwargs *struct{ Stdout, Stderr string } `json:"kwargs"`
	}
	if json.Unmarshal(text, &body) != nil || body.Kwargs == nil {
		http.Error(w, "not a callback", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	a := r.arrived[strings.TrimPrefix(req.URL.Path, "/")]
	if a == nil {
		a = &arrivals{deliveries: map[string]int{}, bodies: map[[32]byte]string{}}
		r.arrived[strings.TrimPrefix(req.URL.Path, "/")] = a
	}
	a.attempts++
	if r.forgetful {
		delete(r.arrived, strings.TrimPrefix(req.URL.Path, "/"))
	}
	a.deliveries[req.Header.Get("X-Sidegate-Delivery")]++
	a.bodies[sha256.Sum256(text)] = body.Kwargs.Stdout + body.Kwargs.Stderr
	luck := 0
	if a.attempts == 1 && !r.calm {
		luck = rand.IntN(100)
	}
	taken := !r.broken && luck < 95
	if taken {
		a.taken++
	}
	r.mu.Unlock()
	if luck < 20 {
		time.Sleep(time.Duration(luck) * time.Millisecond)
	}
	switch {
	case taken:
	case luck >= 98:
		panic(http.ErrAbortHandler)
	default:
		http.Error(w, "not today", http.StatusInternalServerError)
	}
}

// refuse has the receiver refuse all, or not any more.
func (r *receiver) refuse(all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = all
}
