package callback

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// schedule is what docs/callbacks.md says of the wait after each attempt.
var schedule = []struct{ least, most time.Duration }{
	{5 * time.Second, 10 * time.Second},
	{10 * time.Second, 20 * time.Second},
	{20 * time.Second, 40 * time.Second},
	{40 * time.Second, 80 * time.Second},
	{80 * time.Second, 160 * time.Second},
	{160 * time.Second, 320 * time.Second},
	{320 * time.Second, 640 * time.Second},
	{640 * time.Second, 1280 * time.Second},
	{1280 * time.Second, 2560 * time.Second},
	{2560 * time.Second, 5120 * time.Second},
	{time.Hour, 2 * time.Hour},
}

// A history checks the settlements of one delivery as they come, and keeps the last.
type history struct {
	last Settlement
	odd  []string // what is not as documented
}

// take checks a settlement after a failure, or the last one. How late an attempt may come depends on the others of its destination.
func (h *history) take(s Settlement, late time.Duration) {
	before := h.last
	h.last = s
	note := func(format string, args ...any) { h.odd = append(h.odd, fmt.Sprintf(format, args...)) }
	if s.Attempt != before.Attempt+1 {
		note("attempt %d follows %d", s.Attempt, before.Attempt)
	}
	if wait := s.At.Sub(before.NextAt); before.Attempt > 0 && (wait < 0 || wait > late) {
		note("attempt %d was made %v after it was due", s.Attempt, wait)
	}
	if s.State != Retry {
		return
	}
	if s.Attempt > len(schedule) {
		note("attempt %d is not the last", s.Attempt)
		return
	}
	if want, wait := schedule[s.Attempt-1], s.NextAt.Sub(s.At); wait < want.least || wait > want.most {
		note("after attempt %d the wait is %v, want %v to %v", s.Attempt, wait, want.least, want.most)
	}
}

// histories checks every settlement of a store, and keeps no more of each delivery than its last.
type histories struct {
	mu   sync.Mutex
	byID map[string]*history
}

func watch(s *fakeStore, late time.Duration) *histories {
	all := &histories{byID: make(map[string]*history)}
	s.onSettle = func(set Settlement) {
		all.mu.Lock()
		defer all.mu.Unlock()
		if all.byID[set.ID] == nil {
			all.byID[set.ID] = new(history)
		}
		all.byID[set.ID].take(set, late)
	}
	return all
}

// of returns what is known of a delivery; the zero history when nothing is.
func (all *histories) of(id string) history {
	all.mu.Lock()
	defer all.mu.Unlock()
	if h := all.byID[id]; h != nil {
		return *h
	}
	return history{}
}

// each returns what is known of every delivery.
func (all *histories) each() map[string]history {
	all.mu.Lock()
	defer all.mu.Unlock()
	copied := make(map[string]history)
	for id, h := range all.byID {
		copied[id] = *h
	}
	return copied
}

// TestADayOf500 has a receiver that answers 500 for a day: every delivery has its attempts when the schedule says, and is
// dead at the end. What the deliverer holds does not grow meanwhile.
func TestADayOf500(t *testing.T) {
	alone(t, func(w *world) {
		var attempts atomic.Int32
		w.serve(receiverAddr, func(rw http.ResponseWriter, _ *http.Request) {
			attempts.Add(1)
			rw.WriteHeader(http.StatusInternalServerError)
		})
		const n = 1000
		all := watch(w.store, time.Second)
		w.store.add(deliveries(n, "d", receiverURL)...)
		d := w.run()
		time.Sleep(time.Minute)
		before := w.usage()
		for range 24 {
			time.Sleep(time.Hour)
			w.usage().within(w, before)
		}
		if got := int(attempts.Load()); got != 12*n || len(all.each()) != n || w.store.left() != 0 || w.store.dead() != n {
			t.Errorf("%d attempts for %d deliveries, %d wait, %d are dead", got, len(all.each()), w.store.left(), w.store.dead())
		}
		for id, h := range all.each() {
			if h.last.State != Dead || h.last.Attempt != 12 || h.last.Error != "the receiver answered 500; given up after 12 attempts" || len(h.odd) > 0 {
				t.Fatalf("%s ended as %+v; %q", id, h.last, h.odd)
			}
		}
		if s := d.Stats(); s.Settled[Rejected] != 12*n || s.Dead != n || s.UnderWay != 0 || s.Destinations != 0 {
			t.Errorf("the numbers are %+v", s)
		}
	})
}

// TestAnHourOf500 holds what doc.go promises: with the default attempts, no
// delivery is lost to a receiver that fails for an hour.
func TestAnHourOf500(t *testing.T) {
	inWorld(t, func(w *world) {
		repaired := time.Now().Add(time.Hour)
		w.serve(receiverAddr, func(rw http.ResponseWriter, r *http.Request) {
			if time.Now().Before(repaired) {
				rw.WriteHeader(http.StatusInternalServerError)
			}
		})
		const n = 50
		all := watch(w.store, time.Second)
		w.store.add(deliveries(n, "d", receiverURL)...)
		w.run()
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		if w.store.left() != 0 || len(all.each()) != n {
			t.Errorf("%d are left of %d", w.store.left(), len(all.each()))
		}
		for id, h := range all.each() {
			if h.last.State != Delivered || h.last.Attempt < 9 || h.last.Attempt > 12 || len(h.odd) > 0 {
				t.Errorf("%s ended as %+v; %q", id, h.last, h.odd)
			}
		}
	})
}

func TestTwelveAttemptsAndNoMore(t *testing.T) {
	inWorld(t, func(w *world) {
		var attempts []string
		w.serve(receiverAddr, func(rw http.ResponseWriter, r *http.Request) {
			attempts = append(attempts, r.Header.Get(HeaderDelivery)+" "+r.Header.Get(HeaderAttempt))
			rw.WriteHeader(http.StatusBadGateway)
		})
		got := w.one(receiverURL, 48*time.Hour)
		if len(attempts) != 12 || len(got) != 12 || w.store.left() != 0 {
			t.Fatalf("%d attempts, %d settled, %d left", len(attempts), len(got), w.store.left())
		}
		for i, a := range attempts {
			if want := "one " + strconv.Itoa(i+1); a != want {
				t.Errorf("attempt %d came as %q", i+1, a)
			}
		}
		last := got[11]
		if last.State != Dead || last.StatusCode != 502 || last.Error != "the receiver answered 502; given up after 12 attempts" {
			t.Errorf("at last settled %+v", last)
		}
		if span := last.At.Sub(got[0].At); span < time.Hour || span > 5*time.Hour {
			t.Errorf("the attempts span %v", span)
		}
	})
}

func TestMaxAge(t *testing.T) {
	inWorld(t, func(w *world) {
		w.serve(receiverAddr, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) })
		w.cfg.MaxAge = time.Minute
		start := time.Now()
		got := w.one(receiverURL, time.Hour)
		last := got[len(got)-1]
		if last.State != Dead || len(got) >= 12 || last.Error != "the receiver answered 500; given up because the next attempt would be later than 1m0s" {
			t.Errorf("at last settled %+v after %d attempts", last, len(got))
		}
		if last.At.After(start.Add(time.Minute)) {
			t.Errorf("an attempt was made %v after the job", last.At.Sub(start))
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		value  string
		least  time.Duration
		most   time.Duration
	}{
		{"seconds", 503, "90", 90 * time.Second, 90 * time.Second},
		{"seconds with 429", 429, "90", 90 * time.Second, 90 * time.Second},
		{"a date", 503, "Sat, 01 Jan 2000 00:02:00 GMT", 2 * time.Minute, 2 * time.Minute},
		{"a date that is past", 503, "Fri, 31 Dec 1999 00:00:00 GMT", 5 * time.Second, 10 * time.Second},
		{"less than the backoff", 503, "0", 5 * time.Second, 10 * time.Second},
		{"a day", 503, "86400", 2 * time.Hour, 2 * time.Hour},
		{"more than a number holds", 503, "99999999999999999999", 5 * time.Second, 10 * time.Second},
		{"a date in a thousand years", 503, "Sat, 01 Jan 3000 00:00:00 GMT", 2 * time.Hour, 2 * time.Hour},
		{"negative", 503, "-5", 5 * time.Second, 10 * time.Second},
		{"nonsense", 503, "soon", 5 * time.Second, 10 * time.Second},
		{"with another status", 500, "90", 5 * time.Second, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.serve(receiverAddr, func(rw http.ResponseWriter, _ *http.Request) {
					rw.Header().Set("Retry-After", tt.value)
					rw.WriteHeader(tt.status)
				})
				got := w.one(receiverURL, time.Second)
				if len(got) != 1 {
					t.Fatalf("settled %+v", got)
				}
				if wait := got[0].NextAt.Sub(got[0].At); wait < tt.least || wait > tt.most {
					t.Errorf("the wait is %v, want %v to %v", wait, tt.least, tt.most)
				}
			})
		})
	}
}
