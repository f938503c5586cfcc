package callback

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// roundTrip answers requests without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// lateReads is a store whose answers are out of date when they come.
type lateReads struct {
	*fakeStore
	late func()
}

func (s lateReads) Due(ctx context.Context, destination string, now time.Time, limit int) ([]Delivery, time.Time, error) {
	due, next, err := s.fakeStore.Due(ctx, destination, now, limit)
	s.late()
	return due, next, err
}

// TestLateRead has attempts end between the reading of the store and the look at what was read: they are still there, and are not made again before
// they are due again.
func TestLateRead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.serve(receiverAddr, func(rw http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * time.Second)
			rw.WriteHeader(500)
		})
		w.cfg.Store = lateReads{w.store, func() { time.Sleep(1300 * time.Millisecond) }}
		all := watch(w.store, time.Hour)
		d := w.run()
		for _, p := range deliveries(10, "d", receiverURL) {
			w.store.add(p)
			d.Wake(origin)
			time.Sleep(700 * time.Millisecond)
		}
		time.Sleep(12 * time.Hour)
		synctest.Wait()
		for id, h := range all.each() {
			if h.last.State != Dead || h.last.Attempt != 12 || len(h.odd) > 0 {
				t.Errorf("%s ended as %+v; %q", id, h.last, h.odd)
			}
		}
		if len(all.each()) != 10 || strings.Contains(w.logs.String(), "cannot record") {
			t.Errorf("%d were settled; the log is %s", len(all.each()), w.logs)
		}
	})
}

// TestNoneTwice has attempts that end at every moment of looking for the next, with many threads: a delivery that was acknowledged is not made again,
// and none is forgotten.
func TestNoneTwice(t *testing.T) {
	t.Parallel()
	const n = 5000
	var (
		mu   sync.Mutex
		came = make(map[string]int)
		all  = make(chan struct{})
	)
	store := lateReads{&fakeStore{}, runtime.Gosched}
	settled := 0
	store.onSettle = func(Settlement) {
		if settled++; settled == 3*n {
			close(all)
		}
	}
	d, err := New(Config{
		Store: store, Allowed: func(Destination) bool { return true }, Timeout: time.Minute, Attempts: 12, MaxAge: time.Hour, PerDestination: 8,
		Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			came[r.Header.Get(HeaderDelivery)]++
			return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	for i := range 3 {
		url := "http://h" + strconv.Itoa(i) + ".test/"
		for _, p := range deliveries(n, strconv.Itoa(i)+"-", url) {
			store.add(p)
			d.Wake("http://h" + strconv.Itoa(i) + ".test:80")
		}
	}
	<-all
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(came) != 3*n || store.left() != 0 {
		t.Errorf("%d came, %d are left", len(came), store.left())
	}
	for id, times := range came {
		if times != 1 {
			t.Errorf("%s came %d times", id, times)
		}
	}
}
