package callback

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestUnreachableForADay has 10,000 deliveries for a receiver that is gone for a day. It is tried now and then, which costs few of the deliveries an
// attempt; all are dead at the end, and what the deliverer holds does not grow meanwhile.
func TestUnreachableForADay(t *testing.T) {
	alone(t, func(w *world) {
		const n = 10_000
		w.store.onSettle = func(Settlement) {}
		w.store.add(deliveries(n, "d", receiverURL)...)
		d := w.run()
		time.Sleep(time.Minute)
		if s := d.Stats(); s.Unreachable != 1 || s.Destinations != 1 || s.UnderWay != 0 {
			t.Errorf("the numbers are %+v", s)
		}
		before := w.usage()
		for range 12 {
			time.Sleep(2 * time.Hour)
			w.usage().within(w, before)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if w.store.left() != 0 || w.store.dead() != n {
			t.Errorf("%d wait and %d are dead", w.store.left(), w.store.dead())
		}
		s := d.Stats()
		if s.Dead != n || s.Settled[Expired] < n/2 {
			t.Errorf("the numbers are %+v", s)
		}
		// One in 15 to 30 s.
		if tried, day := s.Settled[Unreachable], uint64(24*60*60); tried < day/30 || tried > day/15 {
			t.Errorf("%d attempts were made in a day", tried)
		}
	})
}

// TestReachableAgain holds that deliveries which waited for a receiver arrive soon after it is back, and not when each of them would be tried again.
func TestReachableAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		const n = 1000
		w.store.add(deliveries(n, "d", receiverURL)...)
		w.run()
		time.Sleep(6 * time.Hour)
		w.serve(receiverAddr, func(http.ResponseWriter, *http.Request) {})
		waits := w.store.left()
		time.Sleep(maxPause)
		synctest.Wait()
		if left := w.store.left(); waits != n || left > n/2 {
			t.Errorf("%d waited, and %d do half a minute after", waits, left)
		}
		time.Sleep(maxDelay)
		synctest.Wait()
		if w.store.left() != 0 || w.store.dead() != 0 {
			t.Errorf("%d wait and %d are dead", w.store.left(), w.store.dead())
		}
	})
}

// TestPauseKeepsTheSchedule holds that a pause is never longer than a delivery waits by itself: alone, it has its attempts when the schedule says.
func TestPauseKeepsTheSchedule(t *testing.T) {
	inWorld(t, func(w *world) {
		all := watch(w.store, time.Second)
		w.one(receiverURL, 12*time.Hour)
		h := all.of("one")
		if h.last.State != Dead || h.last.Attempt != 12 || h.last.Outcome != Unreachable || len(h.odd) > 0 {
			t.Errorf("ended as %+v", h)
		}
	})
}

// TestOneFailureIsNoPause holds that a receiver that is reached is not paused because of what it answers, or that it does not.
func TestOneFailureIsNoPause(t *testing.T) {
	inWorld(t, func(w *world) {
		w.serve(receiverAddr, func(rw http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/bad":
				rw.WriteHeader(500)
			case "/slow":
				hang(rw, r)
			}
		})
		w.store.add(deliveries(50, "bad", origin+"/bad")...)
		w.store.add(deliveries(50, "slow", origin+"/slow")...)
		d := w.run()
		for range 20 {
			time.Sleep(10 * time.Second)
			if s := d.Stats(); s.Unreachable != 0 {
				t.Fatalf("the numbers are %+v", s)
			}
		}
	})
}
