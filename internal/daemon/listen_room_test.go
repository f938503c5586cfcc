package daemon

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// newcomer is a connection of a test.
type newcomer struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

// visit connects and sends some text.
func visit(t *testing.T, at *door, text string) newcomer {
	t.Helper()
	c, err := net.Dial("tcp", at.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil { // only if the test would hang
		t.Fatal(err)
	}
	g := newcomer{t, c, bufio.NewReader(c)}
	g.send(text)
	return g
}

func (g newcomer) send(text string) {
	g.t.Helper()
	if _, err := io.WriteString(g, text); err != nil {
		g.t.Fatal(err)
	}
}

// served holds that a request is answered.
func (g newcomer) served() {
	g.t.Helper()
	resp, err := http.ReadResponse(g.in, nil)
	if err != nil {
		g.t.Fatalf("no answer: %v", err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
}

// turnedOut holds that the connection was cut without an answer.
func (g newcomer) turnedOut() {
	g.t.Helper()
	if b, err := g.in.ReadByte(); err == nil {
		g.t.Fatalf("there is an answer, which begins with %q", b)
	}
}

// TestFullDoor: who only holds connections, however he does it, keeps nobody out, and whose request is being answered loses nothing.
func TestFullDoor(t *testing.T) {
	t.Parallel()
	const get = "GET /%s HTTP/1.1\r\nHost: g\r\n\r\n"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	working, enough, never := make(chan struct{}, 10), make(chan struct{}), make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			working <- struct{}{}
			<-enough
		case "/longer":
			working <- struct{}{}
			<-never
		}
	})}
	d := newDoor(l, server, false, 3)
	d.passed = true
	served := make(chan error, 1)
	go func() { served <- d.serve() }()

	long := visit(t, d, fmt.Sprintf(get, "long"))
	<-working
	rested := visit(t, d, fmt.Sprintf(get, ""))
	rested.served()
	silent := visit(t, d, "")
	eventually(t, "all are in", func() bool { full, _ := d.dispensable(time.Now()); return full })

	// The one who came first, and asks for nothing, leaves first.
	next := visit(t, d, fmt.Sprintf(get, ""))
	next.served()
	rested.turnedOut()
	begun := visit(t, d, "GET / HT")
	silent.turnedOut()
	// Who is slow over the head of a request has a second.
	last := visit(t, d, fmt.Sprintf(get, ""))
	last.served()
	next.turnedOut()
	again := visit(t, d, fmt.Sprintf(get, "long"))
	<-working
	last.turnedOut()
	third := visit(t, d, fmt.Sprintf(get, "long"))
	<-working
	begun.turnedOut()

	// Where everybody is served, the next one waits for who is done.
	waits := visit(t, d, fmt.Sprintf(get, ""))
	close(enough)
	for _, g := range []newcomer{long, again, third, waits} {
		g.served()
	}

	// A shut door keeps nobody waiting.
	for range 3 {
		visit(t, d, fmt.Sprintf(get, "longer"))
		<-working
	}
	visit(t, d, "")
	if err := d.leave(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Errorf("the door ended with %v", err)
	}
	close(never)
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-d.emptied
}
