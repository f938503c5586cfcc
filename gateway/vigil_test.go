package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/journal"
)

// ends is the policy of commands that end with their callers.
var ends = strings.Replace(allowing, `"obligations": {}`, `"obligations": {"on_disconnect": "kill"}`, 1)

// A wire is a caller's connection to a gateway.
type wire struct {
	net.Conn
	socket interface{ CloseWrite() error } // below TLS
	in     *bufio.Reader
}

// networks are what callers come by.
var networks = []string{"tcp", "unix", "tls"}

// listening serves the gateway, and returns how to connect to it.
func (th *theatre) listening(t *testing.T, network string) func() *wire {
	t.Helper()
	family, address := "tcp", "127.0.0.1:0"
	if network == "unix" {
		family, address = "unix", filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(family, address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(th.Handler())
	server.Listener.Close()
	server.Listener = Watchable(l)
	if network == "tls" {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return func() *wire {
		conn, err := net.Dial(family, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		w := &wire{Conn: conn, socket: conn.(interface{ CloseWrite() error })}
		if network == "tls" {
			w.Conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		}
		t.Cleanup(func() { w.Close() })
		if err := w.SetReadDeadline(time.Now().Add(time.Minute)); err != nil { // only if the test would hang
			t.Fatal(err)
		}
		w.in = bufio.NewReader(w.Conn)
		return w
	}
}

// call sends a call as it stands on the wire.
func (w *wire) call(t *testing.T, version, command string) {
	t.Helper()
	r := signedCall(context.Background(), "/shell", "func", auth.NewNonce(), body{"command": command})
	var text bytes.Buffer
	fmt.Fprintf(&text, "POST /shell HTTP/%s\r\nHost: g\r\nContent-Length: %d\r\n", version, r.ContentLength)
	if err := r.Header.Write(&text); err != nil {
		t.Fatal(err)
	}
	text.WriteString("\r\n")
	if _, err := text.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	w.send(t, text.String())
}

func (w *wire) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

// halfClose says that nothing more comes.
func (w *wire) halfClose(t *testing.T) {
	t.Helper()
	if secure, ok := w.Conn.(*tls.Conn); ok {
		if err := secure.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.socket.CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// sounded reads an interim response.
func (w *wire) sounded(t *testing.T) {
	t.Helper()
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if got, err := w.in.ReadString('\n'); err != nil || got != want {
			t.Fatalf("read %q, %v", got, err)
		}
	}
}

// answer reads the answer to a call.
func (w *wire) answer(t *testing.T) said {
	t.Helper()
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	s := said{status: resp.StatusCode, raw: string(text), head: resp.Header}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatalf("%v: %d %q", err, resp.StatusCode, text)
	}
	return s
}

// A waiting is a command that says when it has begun, and ends when it may.
type waiting struct{ begun, may, mark string }

func newWaiting(t *testing.T) waiting {
	dir := t.TempDir()
	return waiting{filepath.Join(dir, "begun"), filepath.Join(dir, "may"), fmt.Sprintf("3600.%d", time.Now().UnixNano())}
}

// command leaves a process of its own behind, too.
func (s waiting) command() string {
	return fmt.Sprintf("sh -c 'sleep %s > /dev/null 2>&1 & touch %s; until [ -e %s ]; do sleep 0.01; done; echo done'", s.mark, s.begun, s.may)
}

func (s waiting) runs(t *testing.T) {
	t.Helper()
	until(t, "it runs", func() bool { _, err := os.Stat(s.begun); return err == nil })
}

func (s waiting) release(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(s.may, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// survivors are the processes of the command that are still there.
func (s waiting) survivors(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var alive []string
	for _, name := range found {
		if text, err := os.ReadFile(name); err == nil && bytes.Contains(text, []byte(s.mark)) {
			alive = append(alive, string(text))
		}
	}
	return alive
}

// TestCommandEndsWithItsCaller: however a caller leaves, a command that is to end with it does, with everything that it has
// started.
func TestCommandEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	for _, network := range networks {
		for _, leaving := range []struct {
			name  string
			leave func(*testing.T, *wire)
		}{
			{"hangs up", func(*testing.T, *wire) {}},
			{"sends a byte and hangs up", func(t *testing.T, w *wire) { w.send(t, "x") }},
			{"sends a call and hangs up", func(t *testing.T, w *wire) { w.call(t, "1.1", "true") }},
			{"sends a byte, says that nothing more comes, and hangs up", func(t *testing.T, w *wire) {
				w.send(t, "x")
				w.halfClose(t)
				w.sounded(t)
			}},
			{"says that nothing more comes, and hangs up", func(t *testing.T, w *wire) {
				w.halfClose(t)
				w.sounded(t)
			}},
		} {
			t.Run(network+" "+leaving.name, func(t *testing.T) {
				t.Parallel()
				th := newTheatre(t, theatreOptions{rego: ends})
				w := th.listening(t, network)()
				s := newWaiting(t)
				w.call(t, "1.1", s.command())
				s.runs(t)
				leaving.leave(t, w)
				w.Close()
				job := th.row(t, th.jobs(t)[0].ID)
				if left := s.survivors(t); job.Status != journal.Killed || len(left) > 0 {
					t.Errorf("it is %s, and there are %q", job.Status, left)
				}
			})
		}
	}
}

// TestCommandOfACallerThatWaits: a caller that says that nothing more comes, as some do behind a request, or that sends the
// next request already, has not left.
func TestCommandOfACallerThatWaits(t *testing.T) {
	t.Parallel()
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			th := newTheatre(t, theatreOptions{rego: ends, concurrency: 8})
			dial := th.listening(t, network)
			for _, before := range []string{"", "x"} {
				t.Run("nothing more comes behind "+before, func(t *testing.T) {
					t.Parallel()
					w, s := dial(), newWaiting(t)
					w.call(t, "1.1", s.command())
					s.runs(t)
					w.send(t, before)
					w.halfClose(t)
					w.sounded(t)
					w.sounded(t) // the second time it has been looked at often
					s.release(t)
					if got := w.answer(t); got.status != http.StatusOK || got.Data.Stdout != "done\n" || got.Data.Status != "exited" {
						t.Errorf("answered %d %s", got.status, got.raw)
					}
				})
			}
			t.Run("the next call comes", func(t *testing.T) {
				t.Parallel()
				w := dial()
				w.call(t, "1.1", "sh -c 'sleep 1; echo first'")
				w.call(t, "1.1", "echo second")
				for _, want := range []string{"first\n", "second\n"} {
					if got := w.answer(t); got.status != http.StatusOK || got.Data.Stdout != want {
						t.Errorf("answered %d %s", got.status, got.raw)
					}
				}
			})
		})
	}
}

// TestCommandThatGoesOn: where the policy does not end it, a command goes on, and its caller is answered who has said that
// nothing more comes; nobody is sounded out.
func TestCommandThatGoesOn(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{concurrency: 8})
	dial := th.listening(t, "tcp")
	for _, version := range []string{"1.0", "1.1"} {
		w, s := dial(), newWaiting(t)
		w.call(t, version, s.command())
		s.runs(t)
		w.halfClose(t)
		s.release(t)
		if got := w.answer(t); got.status != http.StatusOK || got.Data.Stdout != "done\n" {
			t.Errorf("HTTP/%s: answered %d %s", version, got.status, got.raw)
		}
	}
	w, s := dial(), newWaiting(t)
	w.call(t, "1.1", s.command())
	s.runs(t)
	w.Close()
	s.release(t)
	for _, job := range th.jobs(t) {
		if job = th.row(t, job.ID); job.Status != journal.Exited {
			t.Errorf("a job is %s", job.Status)
		}
	}
}

// TestOldCallerThatWaits: a client of HTTP/1.0 takes no interim response, so that nobody can tell whether it waits. Its
// command is ended, and it is told so.
func TestOldCallerThatWaits(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{rego: ends})
	w, s := th.listening(t, "tcp")(), newWaiting(t)
	w.call(t, "1.0", s.command())
	s.runs(t)
	w.halfClose(t)
	if got := w.answer(t); got.status != http.StatusOK || got.Data.Status != "killed" {
		t.Errorf("answered %d %s", got.status, got.raw)
	}
}
