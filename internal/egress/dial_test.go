package egress

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A fakeDNS answers the n-th question for the addresses of a family with those of
// it in the n-th list, the last one for ever. It needs no network.
type fakeDNS struct {
	answers [][]string
	asked   atomic.Int32 // for IPv4 addresses
	asked6  atomic.Int32
}

func (f *fakeDNS) resolver() *net.Resolver {
	return &net.Resolver{
		PreferGo: true,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go f.serve(server)
			return client, nil
		},
	}
}

// serve answers questions in DNS over TCP framing (RFC 1035, 4.2.2), which the
// resolver speaks on any connection that is not a packet connection.
func (f *fakeDNS) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size uint16
		if binary.Read(conn, binary.BigEndian, &size) != nil {
			return
		}
		query := make([]byte, size)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := f.reply(query)
		conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	}
}

func (f *fakeDNS) reply(query []byte) []byte {
	const headerSize, typeA, typeAAAA = 12, 1, 28
	end := headerSize
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	question := query[headerSize : end+5] // the name, its type and its class
	asked, kind := &f.asked, binary.BigEndian.Uint16(question[len(question)-4:])
	if kind == typeAAAA {
		asked = &f.asked6
	}
	var found [][]byte
	for _, a := range f.answers[min(int(asked.Add(1)), len(f.answers))-1] {
		addr := netip.MustParseAddr(a)
		if kind == typeA && addr.Is4() || kind == typeAAAA && addr.Is6() {
			found = append(found, addr.AsSlice())
		}
	}
	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, byte(len(found)), 0, 0, 0, 0}, question...)
	for _, ip := range found {
		reply = append(reply, 0xc0, headerSize, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(ip)))
		reply = append(reply, ip...)
	}
	return reply
}

// receiver is a server on 127.0.0.1 that counts its requests.
func receiver(t *testing.T, handle http.HandlerFunc) (port string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handle(w, r)
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, requests
}

func get(t *testing.T, client *http.Client, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err == nil {
		t.Cleanup(func() { resp.Body.Close() })
	}
	return resp, err
}

// TestRebinding has a name that resolves to a harmless address first, as when
// somebody checks it, and to another one from then on.
func TestRebinding(t *testing.T) {
	t.Parallel()
	port, requests := receiver(t, func(http.ResponseWriter, *http.Request) {})
	dns := &fakeDNS{answers: [][]string{{"127.0.0.1"}, {"169.254.169.254"}}}
	client := newGuard(t, Config{Resolver: dns.resolver()}).Client(time.Minute)

	if _, err := get(t, client, "http://rebind.test.:"+port); err != nil {
		t.Fatalf("first request: %v", err)
	}
	client.CloseIdleConnections()
	_, err := get(t, client, "http://rebind.test.:"+port)
	if got := reason(t, err); !strings.Contains(got, "metadata") {
		t.Errorf("second request: %q", got)
	}
	if dns.asked.Load() != 2 || requests.Load() != 1 {
		t.Errorf("the name was resolved %d times and %d requests came, want 2 and 1", dns.asked.Load(), requests.Load())
	}
}

// TestEveryAttemptIsChecked has one name with several addresses.
func TestEveryAttemptIsChecked(t *testing.T) {
	t.Parallel()
	port, requests := receiver(t, func(http.ResponseWriter, *http.Request) {})
	dns := &fakeDNS{answers: [][]string{
		{"169.254.169.254", "127.0.0.1", "fd00:ec2::254"},
		{"169.254.169.254", "224.0.0.1"},
		{"169.254.169.254", "fe80::a9fe:a9fe"},
		{"::ffff:169.254.169.254", "fd00:ec2::254", "64:ff9b::a9fe:a9fe"},
	}}
	client := newGuard(t, Config{Resolver: dns.resolver()}).Client(time.Minute)

	if _, err := get(t, client, "http://several.test.:"+port); err != nil || requests.Load() != 1 {
		t.Errorf("with one good address: error %v, %d requests", err, requests.Load())
	}
	for range dns.answers[1:] {
		client.CloseIdleConnections()
		if _, err := get(t, client, "http://several.test.:"+port); reason(t, err) == "" || requests.Load() != 1 {
			t.Errorf("without a good address: error %v, %d requests", err, requests.Load())
		}
	}
}

func TestDialRefuses(t *testing.T) {
	t.Parallel()
	g := newGuard(t, Config{})
	for _, tt := range []struct{ network, addr, why string }{
		{"tcp", "169.254.169.254:80", "metadata"},
		{"tcp4", "0.0.0.0:80", "unspecified"},
		{"tcp", ":80", "not an address and a port"},
		{"tcp", "[::ffff:169.254.169.254]:80", "metadata"},
		{"udp", "127.0.0.1:53", `network "udp" is not TCP`},
		{"unix", "/run/docker.sock", `network "unix" is not TCP`},
		{"ip4:icmp", "127.0.0.1", "is not TCP"},
		{"", "127.0.0.1:80", "is not TCP"},
		{"tcp", "127.0.0.1:0", "no port"},
	} {
		conn, err := g.DialContext(t.Context(), tt.network, tt.addr)
		if conn != nil {
			conn.Close()
		}
		if got := reason(t, err); got == "" || !strings.Contains(got, tt.why) {
			t.Errorf("dialing %s %q: %q, want %q", tt.network, tt.addr, got, tt.why)
		}
	}
}

func TestOwnListenerIsNotReached(t *testing.T) {
	t.Parallel()
	port, requests := receiver(t, func(http.ResponseWriter, *http.Request) {})
	var own atomic.Pointer[net.TCPAddr]
	client := newGuard(t, Config{Own: func() []net.Addr {
		if a := own.Load(); a != nil {
			return []net.Addr{a}
		}
		return nil
	}}).Client(time.Minute)

	if _, err := get(t, client, "http://127.0.0.1:"+port); err != nil {
		t.Fatalf("before the gateway listens: %v", err)
	}
	client.CloseIdleConnections()
	own.Store(net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:" + port)))
	_, err := get(t, client, "http://127.0.0.1:"+port)
	if got := reason(t, err); !strings.Contains(got, "the gateway itself") || requests.Load() != 1 {
		t.Errorf("after: %q, %d requests", got, requests.Load())
	}
}

func TestClientFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	port, requests := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/again", http.StatusTemporaryRedirect)
	})
	resp, err := get(t, newGuard(t, Config{}).Client(time.Minute), "http://127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusTemporaryRedirect || requests.Load() != 1 {
		t.Errorf("status %d after %d requests, want 307 after 1", resp.StatusCode, requests.Load())
	}
}

// TestClientIgnoresProxyEnvironment cannot run beside others: it changes the
// environment. net/http reads that once and never uses a proxy for loopback, so
// the transport itself is looked at, too.
func TestClientIgnoresProxyEnvironment(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	client := newGuard(t, Config{}).Client(time.Minute)
	if client.Transport.(*http.Transport).Proxy != nil {
		t.Error("the client asks for a proxy")
	}
	_, err := get(t, client, "http://169.254.169.254/")
	if got := reason(t, err); !strings.Contains(got, "metadata") {
		t.Errorf("the guard saw %v", err)
	}
}

func TestClientBoundsHeaders(t *testing.T) {
	t.Parallel()
	port, _ := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", maxResponseHeader))
	})
	if resp, err := get(t, newGuard(t, Config{}).Client(time.Minute), "http://127.0.0.1:"+port); err == nil {
		t.Errorf("a header of 32 KiB came through with status %d", resp.StatusCode)
	}
}

// TestClientHasATimeout has a receiver that never answers.
func TestClientHasATimeout(t *testing.T) {
	t.Parallel()
	port, _ := receiver(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err := get(t, newGuard(t, Config{}).Client(20*time.Millisecond), "http://127.0.0.1:"+port)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("error is %v, want a timeout", err)
	}
	if got := newGuard(t, Config{}).Client(0).Timeout; got != defaultTimeout {
		t.Errorf("without a timeout the client has %v, want %v", got, defaultTimeout)
	}
}

func TestClientRefusesOldTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, err := get(t, newGuard(t, Config{}).Client(time.Minute), server.URL)
	if err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("error is %v, want one about the protocol version", err)
	}
}
