package callback

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestAnHourOf500 holds what doc.go promises: with the default attempts, no
// delivery is lost to a receiver that fails for an hour.
func TestAnHourOf500(t *testing.T) {
	inWorld(t, func(w *world) {
		repaired := time.Now().Add(time.Hour)
		var late atomic.Int32
		w.serve(receiverAddr, func(rw http.ResponseWriter, r *http.Request) {
			if time.Now().Before(repaired) {
				rw.WriteHeader(http.StatusInternalServerError)
				return
			}
			late.Add(1)
		})
		const n = 50
		w.store.add(deliveries(n, "d", receiverURL)...)
		w.run()
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		if got := late.Load(); got != n || w.store.left() != 0 {
			t.Errorf("%d of %d were delivered, %d are left", got, n, w.store.left())
		}
		for _, d := range deliveries(n, "d", "") {
			checkOutage(t, w.store.of(d.ID))
		}
	})
}

// checkOutage looks at the history of one delivery that failed and then arrived.
func checkOutage(t *testing.T, history []Settlement) {
	t.Helper()
	made := 0
	for i, s := range history {
		if s.StatusCode == 0 {
			continue // moved back, not tried
		}
		made++
		if s.Attempt != made {
			t.Errorf("attempt %d was counted as %d", made, s.Attempt)
		}
		if last := i == len(history)-1; last != (s.State == Delivered) || !last && s.State != Retry {
			t.Errorf("attempt %d of %d ended as %q", made, len(history), s.State)
		}
		upper := doubled(firstDelay, made, maxDelay)
		if wait := s.NextAt.Sub(s.At); s.State == Retry && (wait < upper/2 || wait > upper) {
			t.Errorf("after attempt %d the wait is %v, want %v to %v", made, wait, upper/2, upper)
		}
	}
	if made < 6 || made > 12 {
		t.Errorf("%d attempts were made", made)
	}
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

// TestDeadReceiverDoesNotStarveOthers has a thousand deliveries for a receiver
// that hangs before one for another.
func TestDeadReceiverDoesNotStarveOthers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.serve("dead.test:80", hang)
		w.serve(receiverAddr, func(http.ResponseWriter, *http.Request) {})
		w.store.add(deliveries(1000, "dead", "http://dead.test/")...)
		w.store.add(Delivery{ID: "zzz", URL: receiverURL})
		w.run()
		time.Sleep(slowAfter + time.Second)
		synctest.Wait()
		if got := w.store.of("zzz"); len(got) != 1 || got[0].State != Delivered {
			t.Errorf("after %v the other receiver got %+v", slowAfter+time.Second, got)
		}
		for _, s := range w.store.of("dead00900") {
			if s.State != Retry || s.Attempt != 0 || s.NextAt.Sub(s.At) > time.Minute {
				t.Errorf("a delivery was moved back as %+v", s)
			}
		}
	})
}

// TestBusyReceiverIsNotMovedBack has many deliveries at once for the one
// receiver that there is: it gets them as fast as it takes them.
func TestBusyReceiverIsNotMovedBack(t *testing.T) {
	inWorld(t, func(w *world) {
		var calls, busy, most atomic.Int32
		w.serve(receiverAddr, func(http.ResponseWriter, *http.Request) {
			calls.Add(1)
			if n := busy.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(20 * time.Millisecond)
			busy.Add(-1)
		})
		const n = 400
		w.cfg.Concurrency, w.cfg.PerReceiver = 8, 4
		w.store.add(deliveries(n, "d", receiverURL)...)
		w.run()
		time.Sleep(n / 4 * 20 * time.Millisecond)
		synctest.Wait()
		if w.store.left() != 0 || len(w.store.settled) != n || calls.Load() != n || most.Load() != 4 {
			t.Errorf("%d left, %d settled, %d calls, %d at once, want 0, %[5]d, %[5]d and 4",
				w.store.left(), len(w.store.settled), calls.Load(), most.Load(), n)
		}
	})
}

func TestConcurrency(t *testing.T) {
	inWorld(t, func(w *world) {
		var busy, most atomic.Int32
		w.cfg.Concurrency, w.cfg.PerReceiver = 5, 2
		for i := range 10 {
			host := "h" + strconv.Itoa(i) + ".test"
			w.serve(host+":80", func(http.ResponseWriter, *http.Request) {
				if n := busy.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(time.Second)
				busy.Add(-1)
			})
			w.store.add(deliveries(3, host, "http://"+host+"/")...)
		}
		w.run()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if w.store.left() != 0 || most.Load() != 5 {
			t.Errorf("%d left and %d at once, want 0 and 5", w.store.left(), most.Load())
		}
	})
}
