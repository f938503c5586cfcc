package callback

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestDeadReceiverDoesNotDelayOthers has thousands of deliveries that are due at a receiver which is dead in one way or another, and then a single one for a
// receiver that is well. That one arrives at once, whether the other was known before or not.
func TestDeadReceiverDoesNotDelayOthers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		pending int // fewer where each is really attempted
		dead    func(w *world)
	}{
		{"hangs", 10_000, func(w *world) { w.serve("dead.test:80", hang) }},
		{"refuses", 10_000, func(*world) {}},
		{"takes no connection", 10_000, func(w *world) { w.net.listen("dead.test:80") }},
		{"answers 500", 500, func(w *world) {
			w.serve("dead.test:80", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) })
		}},
		{"closes", 500, func(w *world) { w.raw("dead.test:80", func(net.Conn) {}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				tt.dead(w)
				w.serve(receiverAddr, func(http.ResponseWriter, *http.Request) {})
				history := watch(w.store, 24*time.Hour)
				w.store.add(deliveries(tt.pending, "dead", "http://dead.test/")...)
				w.store.add(parcel{Delivery: Delivery{ID: "first", URL: receiverURL}})
				d := w.run()
				synctest.Wait()
				for i, pause := range []time.Duration{0, time.Second, 11 * time.Second, time.Minute, time.Hour} {
					time.Sleep(pause)
					id := "later" + strconv.Itoa(i)
					now := time.Now()
					w.store.add(parcel{Delivery: Delivery{ID: id, URL: receiverURL}})
					d.Wake(origin)
					synctest.Wait()
					if h := history.of(id); h.last.State != Delivered || !h.last.At.Equal(now) {
						t.Errorf("after %v a delivery to another receiver had not arrived", pause)
					}
				}
				if h := history.of("first"); h.last.State != Delivered {
					t.Error("the first one did not arrive")
				}
			})
		})
	}
}

// TestManyDeadReceivers has more receivers that hang than there are places, each with a backlog. One that has answered before gets its delivery at once;
// one that was never heard of waits for its turn, which comes when every other had one: there are places for 32 of 41 at once, and each is free again within
// the timeout.
func TestManyDeadReceivers(t *testing.T) {
	inWorld(t, func(w *world) {
		const dead = 40
		w.serve(receiverAddr, func(http.ResponseWriter, *http.Request) {})
		w.serve("new.test:80", func(http.ResponseWriter, *http.Request) {})
		d := w.run()
		w.store.add(parcel{Delivery: Delivery{ID: "first", URL: receiverURL}})
		d.Wake(origin)
		synctest.Wait()
		for i := range dead {
			host := fmt.Sprintf("dead%d.test", i)
			w.serve(host+":80", hang)
			w.store.add(deliveries(100, host, "http://"+host+"/")...)
			d.Wake("http://" + host + ":80")
		}
		synctest.Wait()
		if s := d.Stats(); s.UnderWay != defaultConcurrency/2 || s.Destinations != dead {
			t.Errorf("of receivers that hang, the numbers are %+v", s)
		}
		w.store.add(parcel{Delivery: Delivery{ID: "known", URL: receiverURL}}, parcel{Delivery: Delivery{ID: "unknown", URL: "http://new.test/"}})
		now := time.Now()
		d.Wake(origin)
		d.Wake("http://new.test:80")
		synctest.Wait()
		if got := w.store.of("known"); len(got) != 1 || got[0].State != Delivered || !got[0].At.Equal(now) {
			t.Errorf("one that answered before got %+v", got)
		}
		time.Sleep(3 * w.cfg.Timeout)
		synctest.Wait()
		if got := w.store.of("unknown"); len(got) != 1 || got[0].State != Delivered || got[0].At.Sub(now) > 2*w.cfg.Timeout {
			t.Errorf("one that is new got %+v", got)
		}
	})
}

// TestTurns has receivers that all answer slowly and all have a backlog: they are served alike.
func TestTurns(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cfg.Concurrency, w.cfg.PerDestination = 8, 8
		var calls [5]atomic.Int32
		for i := range calls {
			host := "h" + strconv.Itoa(i) + ".test"
			w.serve(host+":80", func(_ http.ResponseWriter, r *http.Request) {
				calls[i].Add(1)
				io.Copy(io.Discard, r.Body) // or the end of the connection is not noticed
				sleep(r.Context(), time.Second)
			})
			w.store.add(deliveries(1000*(i+1), host, "http://"+host+"/")...)
		}
		w.run()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		least, most := calls[0].Load(), calls[0].Load()
		for i := range calls {
			least, most = min(least, calls[i].Load()), max(most, calls[i].Load())
		}
		if most-least > 48 || least < 8*300/5-48 {
			t.Errorf("in five minutes the receivers got %d to %d deliveries", least, most)
		}
	})
}

// TestPerDestination holds that schemes, hosts and ports are counted apart, paths are not, and that nothing gets more than its share.
func TestPerDestination(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cfg.PerDestination = 3
		addrs := []string{"a.test:80", "a.test:8080", "b.test:80"}
		var busy, most [3]atomic.Int32
		for i, addr := range addrs {
			w.serve(addr, func(http.ResponseWriter, *http.Request) {
				if n := busy[i].Add(1); n > most[i].Load() {
					most[i].Store(n)
				}
				time.Sleep(time.Second)
				busy[i].Add(-1)
			})
			w.store.add(deliveries(10, addr+"x", "http://"+addr+"/x")...)
			w.store.add(deliveries(10, addr+"y", "http://"+addr+"/y")...)
		}
		start := time.Now()
		w.run()
		time.Sleep(time.Minute)
		synctest.Wait()
		for i := range most {
			if most[i].Load() != 3 {
				t.Errorf("%s had %d at once", addrs[i], most[i].Load())
			}
		}
		if took := w.store.settled[len(w.store.settled)-1].At.Sub(start); w.store.left() != 0 || took != 7*time.Second {
			t.Errorf("it took %v, and %d are left", took, w.store.left())
		}
	})
}

// TestConcurrency holds that there are no more attempts at once than there are places, and half of them for receivers of which nothing is known.
func TestConcurrency(t *testing.T) {
	inWorld(t, func(w *world) {
		var busy, most atomic.Int32
		w.cfg.Concurrency, w.cfg.PerDestination = 6, 2
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
		synctest.Wait()
		if busy.Load() != 3 {
			t.Errorf("%d at once of which nothing is known", busy.Load())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.store.left() != 0 || most.Load() != 6 {
			t.Errorf("%d left and %d at once, want 0 and 6", w.store.left(), most.Load())
		}
	})
}

// TestLargeBodies holds that few large bodies are under way at once, and that small ones pass them.
func TestLargeBodies(t *testing.T) {
	inWorld(t, func(w *world) {
		var busy, most, small atomic.Int32
		large := make([]byte, bigBody+1)
		for i := range 8 {
			host := "h" + strconv.Itoa(i) + ".test"
			w.serve(host+":80", func(_ http.ResponseWriter, r *http.Request) {
				if r.ContentLength <= bigBody {
					small.Add(1)
					return
				}
				if n := busy.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(time.Second)
				busy.Add(-1)
			})
			list := deliveries(3, host, "http://"+host+"/")
			list[1].body, list[2].body = large, large
			w.store.add(list...)
		}
		w.run()
		synctest.Wait()
		if small.Load() != 8 {
			t.Errorf("%d small ones arrived at once", small.Load())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.store.left() != 0 || most.Load() != bigLimit {
			t.Errorf("%d left and %d large ones at once, want 0 and %d", w.store.left(), most.Load(), bigLimit)
		}
	})
}

// TestBusyReceiverGetsAll has many deliveries at once for the one receiver that there is: it gets them as fast as it takes them.
func TestBusyReceiverGetsAll(t *testing.T) {
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
