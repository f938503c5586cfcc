package daemon

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/internal/auth"
)

// TestDrainStepByStep: a gateway that is to stop says first that it is not ready, takes calls for the delay, then lets nobody in, ends each open connection with an
// answer, and goes on with what runs.
func TestDrainStepByStep(t *testing.T) {
	h := newHouse(t, "")
	h.yaml += "\ndrain: {delay: 1h, grace: 1h}\n"
	h.configure(t, "p.wasm", "")
	d, url, stop := h.open(t)
	t.Cleanup(d.Hurry) // or a test that fails waits for the hours
	running := h.background(t, url, map[string]string{"command": h.untilReleased()})
	h.await(t, "begun")
	kept := &http.Client{Transport: &http.Transport{}}
	defer kept.CloseIdleConnections()
	request := func() *http.Request {
		req, err := signed(t.Context(), url, auth.NewNonce(), map[string]string{"command": "echo hello"})
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	if a, err := send(kept, request()); err != nil || a.Status != http.StatusOK {
		t.Fatalf("answered %+v, %v", a, err)
	}
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	eventually(t, "it says that it is not ready", func() bool { return strings.HasPrefix(admin(t, d, "/readyz"), "503 ") })
	if a := h.call(t, url, map[string]string{"command": "true"}); a.Status != http.StatusOK {
		t.Errorf("during the delay a call is answered %+v", a)
	}
	// As after the delay, but for the second in which open connections end by themselves.
	for _, at := range d.callersDoors() {
		at.passed = true // else who comes waits to be turned away
		if err := at.leave(); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := kept.Do(request())
	if err != nil {
		t.Fatalf("an open connection is gone: %v", err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !resp.Close {
		t.Errorf("on an open connection: %s, the last answer: %v", resp.Status, resp.Close)
	}
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://")); err == nil {
		t.Error("somebody is let in")
	}
	if !strings.HasPrefix(admin(t, d, "/healthz"), "200 ") {
		t.Error("the admin listener is gone")
	}
	d.Hurry()
	if a := <-running; a.Status != http.StatusOK || a.Data.Status != "killed" {
		t.Errorf("what ran is answered %+v", a)
	}
	<-stopped
	d.Hurry() // harms nothing
}

// TestDrainTellsWhoComes: while commands have their grace, new callers are told that the gateway shuts down, and what to do, on a listener of its own.
func TestDrainTellsWhoComes(t *testing.T) {
	h := newHouse(t, "")
	h.yaml += "\ndrain: {grace: 1h}\n"
	h.configure(t, "p.wasm", "")
	d, url, stop := h.open(t)
	t.Cleanup(d.Hurry)
	running := h.background(t, url, map[string]string{"command": h.untilReleased()})
	h.await(t, "begun")
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	eventually(t, "it says that it is not ready", func() bool { return strings.HasPrefix(admin(t, d, "/readyz"), "503 ") })
	for _, path := range []string{"/shell", "/v1/jobs"} {
		fresh := &http.Client{Transport: &http.Transport{}}
		defer fresh.CloseIdleConnections()
		resp, err := fresh.Post(url+path, "application/json", strings.NewReader(`{"command": "true"}`))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !resp.Close || !strings.Contains(string(text), `"reason":"shutting_down"`) {
			t.Errorf("%s: got %s %v %s, %v", path, resp.Status, resp.Header, text, err)
		}
	}
	silent, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")) // does not hold up the end
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	d.Hurry()
	if a := <-running; a.Status != http.StatusOK || a.Data.Status != "killed" {
		t.Errorf("what ran is answered %+v", a)
	}
	<-stopped
	if _, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		t.Error("somebody is let in after the end")
	}
}

// TestDoorCutsOnlyWhoRests: a connection on which a part of a request has come is not cut, and one on which nothing has come is, before or after an answer; what
// comes in at that moment is not acted on.
func TestDoorCutsOnlyWhoRests(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	d := newDoor(l, server, false, 1000)
	d.passed = true
	served := make(chan error, 1)
	go func() { served <- d.serve() }()
	dial := func(text string) (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return c, bufio.NewReader(c)
	}
	resting := func() (n, all int) {
		d.mu.Lock()
		defer d.mu.Unlock()
		for v := range d.visitors {
			v.mu.Lock()
			if v.resting {
				n++
			}
			v.mu.Unlock()
		}
		return n, len(d.visitors)
	}
	const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	_, silent := dial("")
	_, idle := dial(get)
	if _, err := http.ReadResponse(idle, nil); err != nil {
		t.Fatal(err)
	}
	half, begun := dial(get[:10])
	eventually(t, "two rest of three", func() bool { n, all := resting(); return n == 2 && all == 3 })
	if err := d.leave(); err != nil {
		t.Fatal(err)
	}
	d.dismiss()
	for name, r := range map[string]*bufio.Reader{"silent": silent, "idle": idle} {
		if _, err := r.ReadByte(); err == nil {
			t.Errorf("the %s one is not cut", name)
		}
	}
	if _, err := half.Write([]byte(get[10:])); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(begun, nil); err != nil || !resp.Close {
		t.Errorf("the one with a request on its way got %+v, %v", resp, err)
	}
	<-d.emptied
	if err := errors.Join(<-served, server.Shutdown(context.Background())); err != nil {
		t.Error(err)
	}

	// What is read from a connection that was cut is dropped.
	near, far := net.Pipe()
	v := &visitor{Conn: near, door: d, resting: true}
	go func() { _, _ = far.Write([]byte("x")) }()
	buf := make([]byte, 1)
	v.cut = true
	if n, err := v.Read(buf); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("read %d, %v", n, err)
	}
	near.Close()
	far.Close()
}
