package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
)

// halfSent sends all of a call but the end of its body.
func halfSent(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprint(conn, "POST /v1/jobs HTTP/1.1\r\nHost: g\r\nSignature: a\r\nContent-Length: 3\r\n\r\n{")
	return conn
}

// refusalOf is what a call without a signature is answered with.
func refusalOf(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Post("http://"+address+"/shell", "application/json", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Retry-After"), " ", string(text))
}

func eventuallyRefused(t *testing.T, address, want string) {
	t.Helper()
	got := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got = refusalOf(t, address); strings.Contains(got, want) {
			return
		}
	}
	t.Fatalf("answered %q, want %q", got, want)
}

// TestCallsAtOnce: whoever is known by nobody yet holds no more of the gateway than so many calls, and what is beyond that is refused at once.
func TestCallsAtOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.limits.Calls = 2
	s := httptest.NewServer(g.Handler())
	t.Cleanup(s.Close)
	address := s.Listener.Addr().String()
	first := halfSent(t, address)
	halfSent(t, address)
	eventuallyRefused(t, address, `503 1 {"ok":false,"message":"more calls come in at once`)
	fmt.Fprint(first, "} ")
	if resp, err := http.ReadResponse(bufio.NewReader(first), nil); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a call that was let in: %v, %v", resp, err)
	}
	eventuallyRefused(t, address, "missing_signature")

	// Another listener has calls of its own.
	other := httptest.NewServer(g.Handler())
	t.Cleanup(other.Close)
	halfSent(t, address)
	eventuallyRefused(t, address, "overloaded")
	if got := refusalOf(t, other.Listener.Addr().String()); !strings.Contains(got, "missing_signature") {
		t.Errorf("at another address: %q", got)
	}
}

// TestBodiesOnTheirWay: all bodies together are bounded, and what is not there any more counts for nothing.
func TestBodiesOnTheirWay(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	s := httptest.NewServer(g.Handler())
	t.Cleanup(s.Close)
	address := s.Listener.Addr().String()
	g.arriving.Store(mostArriving - 1)
	if got := refusalOf(t, address); !strings.Contains(got, "overloaded") {
		t.Errorf("a body beyond the bound: %q", got)
	}
	g.arriving.Store(mostArriving - 2)
	for range 3 {
		if got := refusalOf(t, address); !strings.Contains(got, "missing_signature") {
			t.Errorf("a body within the bound: %q", got)
		}
	}
	if got := g.arriving.Load(); got != mostArriving-2 {
		t.Errorf("%d bytes are held for arriving still", got-(mostArriving-2))
	}
}

// TestPlaceBesideOthers: a client whose jobs take all places keeps no other one out.
func TestPlaceBesideOthers(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	s := httptest.NewServer(g.Handler())
	t.Cleanup(s.Close)
	for {
		p, err := g.queue.Reserve("greedy")
		if err != nil {
			break
		}
		defer p.Release()
	}
	call := func() string {
		body := `{"command":"true","wait":false}`
		nonce, now := auth.NewNonce(), strconv.FormatInt(time.Now().Unix(), 10)
		req, err := http.NewRequest(http.MethodPost, s.URL+"/shell", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"X-Auth-Nonce": {nonce}, "X-Auth-Timestamp": {now}, "X-Auth-Signature": {auth.SignFunc([]byte("secret"), http.MethodPost, "/shell", nonce, now, []byte(body))}}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := call(); !strings.Contains(got, `"status":"accepted"`) {
		t.Errorf("the first of another client: %s", got)
	}
	if got := call(); !strings.Contains(got, "queue_full") {
		t.Errorf("the second: %s", got)
	}
}
