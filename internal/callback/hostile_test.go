package callback

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestHostileReceivers has receivers of every kind, each with a backlog, for a day. What they hold is given back, and does not grow; and whoever is well
// gets what is due at once.
func TestHostileReceivers(t *testing.T) {
	alone(t, func(w *world) {
		for i, receive := range []func(net.Conn){
			func(net.Conn) {},
			func(net.Conn) { time.Sleep(time.Hour) },
			func(c net.Conn) { io.Copy(io.Discard, c) },
			func(c net.Conn) { drip(c, "HTTP/1.1 200 OK\r\nX-A: ", "a") },
			func(c net.Conn) { drip(c, "", "HTTP/1.1 102 Processing\r\n\r\n") },
			func(c net.Conn) { drip(c, "HTTP/1.1 500 Error\r\nContent-Length: 1000000\r\n\r\n", "a") },
			func(c net.Conn) { drip(c, "HTTP/1.1 500 Error\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n") },
			func(c net.Conn) {
				drip(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "a")
			},
			answerRaw("HTTP/1.1 500 Error\r\nContent-Length: 10\r\n\r\n"),
			answerRaw("HTTP/1.1 503 Error\r\nRetry-After: 99999999\r\nContent-Length: 0\r\n\r\n"),
			answerRaw("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"),
			answerRaw(strings.Repeat("SSH-2.0-", 100_000)),
		} {
			host := "h" + strconv.Itoa(i) + ".test"
			w.raw(host+":80", receive)
			w.store.add(deliveries(20, host, "http://"+host+"/")...)
		}
		w.serve(receiverAddr, func(http.ResponseWriter, *http.Request) {})
		all := watch(w.store, 24*time.Hour)
		d := w.run()
		time.Sleep(time.Hour)
		before := w.usage()
		for i := range 25 {
			time.Sleep(time.Hour + time.Second)
			w.usage().within(w, before)
			id := "well" + strconv.Itoa(i)
			w.store.add(parcel{Delivery: Delivery{ID: id, URL: receiverURL}})
			now := clock()
			d.Wake(origin)
			synctest.Wait()
			if h := all.of(id); h.last.State != Delivered || h.last.At != now {
				t.Errorf("after %d hours a receiver that is well had not got its delivery", i+2)
			}
		}
		for _, addr := range w.net.dials() {
			if !strings.HasSuffix(addr, ".test:80") && addr != receiverAddr {
				t.Fatalf("dialed %s", addr)
			}
		}
		if s := d.Stats(); w.store.left() != 0 || s.UnderWay != 0 || s.Dead != 12*20 {
			t.Errorf("%d wait; the numbers are %+v", w.store.left(), s)
		}
	})
}
