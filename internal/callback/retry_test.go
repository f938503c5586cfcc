package callback

import (
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestRetryOfADeadDelivery holds that one that was given up is attempted at once when somebody asks, with all its attempts and its time anew, and that
// its attempts go on being counted.
func TestRetryOfADeadDelivery(t *testing.T) {
	inWorld(t, func(w *world) {
		var attempts []string
		var well atomic.Bool
		w.serve(receiverAddr, func(rw http.ResponseWriter, r *http.Request) {
			attempts = append(attempts, r.Header.Get(HeaderDelivery)+" "+r.Header.Get(HeaderAttempt))
			if !well.Load() {
				rw.WriteHeader(http.StatusBadGateway)
			}
		})
		w.cfg.Attempts = 3
		w.store.add(parcel{Delivery: Delivery{ID: "one", URL: receiverURL}})
		d := w.run()
		time.Sleep(48 * time.Hour) // older than MaxAge, too
		for range 2 {
			if w.store.dead() != 1 {
				t.Fatalf("settled %+v", w.store.of("one"))
			}
			if err := d.Retry(t.Context(), "one"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(48 * time.Hour)
		}
		well.Store(true)
		if err := d.Retry(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		now := clock()
		synctest.Wait()
		want := []string{"one 1", "one 2", "one 3", "one 4", "one 5", "one 6", "one 7", "one 8", "one 9", "one 10"}
		if !slices.Equal(attempts, want) {
			t.Errorf("the attempts were %q", attempts)
		}
		got := w.store.of("one")
		if last := got[len(got)-1]; last.State != Delivered || last.At != now {
			t.Errorf("at last settled %+v", last)
		}
		if err := d.Retry(t.Context(), "one"); err == nil {
			t.Error("what was delivered can be delivered again")
		}
		if len(got) < 9 {
			t.Fatalf("settled %+v", got)
		}
		if s := got[8]; s.State != Dead || s.Error != "the receiver answered 502; given up after 3 attempts" {
			t.Errorf("the third round ended as %+v", s)
		}
	})
}

// TestRetryOfAWaitingDelivery holds that somebody who has repaired a receiver need not wait, neither for the delivery nor for the pause of the receiver.
func TestRetryOfAWaitingDelivery(t *testing.T) {
	inWorld(t, func(w *world) {
		w.store.add(deliveries(20, "d", receiverURL)...)
		d := w.run()
		time.Sleep(time.Hour)
		for d.Stats().Unreachable == 0 {
			time.Sleep(100 * time.Millisecond)
		}
		w.serve(receiverAddr, func(http.ResponseWriter, *http.Request) {})
		if err := d.Retry(t.Context(), "d00007"); err != nil {
			t.Fatal(err)
		}
		now := clock()
		synctest.Wait()
		got := w.store.of("d00007")
		if last := got[len(got)-1]; last.State != Delivered || last.At != now {
			t.Errorf("at last settled %+v", last)
		}
	})
}

func TestRetryOfAnAttempt(t *testing.T) {
	inWorld(t, func(w *world) {
		w.serve(receiverAddr, hang)
		w.store.add(parcel{Delivery: Delivery{ID: "one", URL: receiverURL}})
		d := w.run()
		time.Sleep(time.Second)
		if err := d.Retry(t.Context(), "one"); !errors.Is(err, ErrUnderWay) {
			t.Errorf("the answer is %v", err)
		}
		if err := d.Retry(t.Context(), "two"); err == nil || errors.Is(err, ErrUnderWay) {
			t.Errorf("of an unknown delivery the answer is %v", err)
		}
		time.Sleep(time.Minute)
		if got := w.store.of("one"); len(got) < 2 || got[0].Attempt != 1 || got[1].Attempt != 2 {
			t.Errorf("settled %+v", got)
		}
	})
}

// TestRestartInAnAttempt ends the deliverer while a receiver works on a delivery, and makes another on the same store: the delivery comes again, with the
// same ID, as the same attempt.
func TestRestartInAnAttempt(t *testing.T) {
	inWorld(t, func(w *world) {
		var came []string
		var well atomic.Bool
		w.serve(receiverAddr, func(rw http.ResponseWriter, r *http.Request) {
			came = append(came, r.Header.Get(HeaderDelivery)+" "+r.Header.Get(HeaderAttempt))
			if !well.Load() {
				hang(rw, r)
			}
		})
		w.store.add(parcel{Delivery: Delivery{ID: "one", URL: receiverURL}})
		for range 3 {
			w.run()
			time.Sleep(time.Second)
			w.end()
		}
		well.Store(true)
		w.run()
		synctest.Wait()
		if want := []string{"one 1", "one 1", "one 1", "one 1"}; !slices.Equal(came, want) {
			t.Errorf("the receiver got %q", came)
		}
		if got := w.store.of("one"); len(got) != 1 || got[0].State != Delivered || got[0].Attempt != 1 {
			t.Errorf("settled %+v", got)
		}
	})
}
