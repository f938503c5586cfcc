package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func mustNew(t *testing.T, address string) *Client {
	t.Helper()
	c, err := New(Config{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// exchange sends one request and returns status and body of the reply.
func exchange(ctx context.Context, c *Client, method, path string, body []byte) (int, string, error) {
	req, err := c.Request(ctx, method, path, body)
	if err != nil {
		return 0, "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// echo answers with what it was sent.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s host=%s type=%s encoding=%q body=%s", r.Method, r.RequestURI, r.Host, r.Header.Get("Content-Type"), r.Header.Get("Accept-Encoding"), body)
}

func serveSocket(t *testing.T, socket string, handler http.HandlerFunc) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() { _ = server.Serve(l); close(done) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	const want = ": want the gateway's address, such as http://127.0.0.1:8099 or unix:/run/sidegate/sidegate.sock"
	const wantSocket = ": want the path of a gateway's socket, absolute and of 107 bytes at most, such as unix:/run/sidegate/sidegate.sock"
	for address, message := range map[string]string{
		"": want, "127.0.0.1:8099": "127.0.0.1:8099" + want, "localhost:80": "localhost:80" + want, "ftp://a": "ftp://a" + want, "http://": "http://" + want, "http://:80": "http://:80" + want,
		"http://a/shell": "http://a/shell" + want, "http://a?b": "http://a?b" + want, "http://a#b": "http://a#b" + want, "http://a b": "http://a b" + want,
		"http://u:hunter2@a": "http://u:xxxxx@a" + want,
		"unix:":              "unix:" + wantSocket, "unix:s.sock": "unix:s.sock" + wantSocket, "unix:@s": "unix:@s" + wantSocket, "unix:/a\x00b": "unix:/a\x00b" + wantSocket,
		"unix:/" + strings.Repeat("a", 107): "unix:/" + strings.Repeat("a", 107) + wantSocket,
	} {
		if c, err := New(Config{Address: address}); c != nil || err == nil || err.Error() != message {
			t.Errorf("%q: %v, want %s", address, err, message)
		}
	}
	for _, address := range []string{"http://a", "https://[::1]:80/", "unix:/" + strings.Repeat("a", 106)} {
		if c := mustNew(t, address); c.Address() != address {
			t.Errorf("%q has become %q", address, c.Address())
		}
	}
	if _, err := mustNew(t, "http://a").Request(t.Context(), http.MethodGet, "v1", nil); err == nil || err.Error() != `client: the path "v1" does not begin with a slash` {
		t.Errorf("a path without a slash: %v", err)
	}
	// What follows the host is never part of it.
	if req, err := mustNew(t, "http://a").Request(t.Context(), http.MethodGet, "/@b/", nil); err != nil || req.URL.Host != "a" {
		t.Errorf("%v, %v", req, err)
	}
}

func TestExchange(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s.sock")
	serveSocket(t, socket, echo)
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	for address, host := range map[string]string{"unix:" + socket: "sidegate", server.URL: strings.TrimPrefix(server.URL, "http://"), server.URL + "/": strings.TrimPrefix(server.URL, "http://")} {
		c := mustNew(t, address)
		for range 2 {
			status, text, err := exchange(t.Context(), c, http.MethodPost, "/v1/jobs?a=b%2Fc", []byte(`{"a":1}`))
			if want := "POST /v1/jobs?a=b%2Fc host=" + host + ` type=application/json encoding="" body={"a":1}`; err != nil || status != http.StatusOK || text != want {
				t.Errorf("%s: %d %s, %v; want %s", address, status, text, err, want)
			}
		}
		if _, text, err := exchange(t.Context(), c, http.MethodGet, "/", nil); err != nil || text != "GET / host="+host+` type= encoding="" body=` {
			t.Errorf("%s: %s, %v", address, text, err)
		}
	}
}

// TestNoDetours: neither a proxy of the environment nor a redirect gets a call.
func TestNoDetours(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the call went elsewhere") }))
	defer elsewhere.Close()
	t.Setenv("HTTP_PROXY", elsewhere.URL)
	t.Setenv("http_proxy", elsewhere.URL)
	moved := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer moved.Close()
	// No proxy is used for loopback anyway, so that another address is asked for.
	if status, _, err := exchange(t.Context(), mustNew(t, moved.URL), http.MethodPost, "/shell", []byte("{}")); err != nil || status != http.StatusTemporaryRedirect {
		t.Errorf("%d, %v", status, err)
	}
	c := mustNew(t, "http://sidegate.invalid:1")
	if _, _, err := exchange(t.Context(), c, http.MethodGet, "/", nil); err == nil {
		t.Error("a host that does not exist answered")
	} else if unresolved := (*net.DNSError)(nil); errors.As(err, &unresolved) && unresolved.IsNotFound && !strings.HasSuffix(err.Error(), "\ncompare the name of the host in --url") {
		t.Errorf("the error is %v", err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	free := httptest.NewServer(nil)
	free.Close()
	hangsUp := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer hangsUp.Close()
	const start = "\nis the gateway running? start it with: sidegate serve --config FILE"
	https, http1 := strings.Replace(plain.URL, "http:", "https:", 1), strings.Replace(secure.URL, "https:", "http:", 1)
	for address, want := range map[string]string{
		"unix:" + dir + "/none.sock": "dial unix " + dir + "/none.sock: connect: no such file or directory" + start + ", with unix:" + dir + "/none.sock in listen",
		"unix:" + stale:              "dial unix " + stale + ": connect: connection refused" + start,
		free.URL:                     `Get "` + free.URL + `/x": dial tcp ` + strings.TrimPrefix(free.URL, "http://") + ": connect: connection refused" + start,
		hangsUp.URL:                  `Get "` + hangsUp.URL + `/x": EOF` + "\n" + lost,
		https:                        https + " speaks plain HTTP, and not TLS: write " + plain.URL + ", or configure tls.cert_file and tls.key_file",
		http1:                        http1 + " speaks TLS: write " + secure.URL,
		secure.URL: `Get "` + secure.URL + `/x": tls: failed to verify certificate: x509: certificate signed by unknown authority` +
			"\nif the gateway's certificate is from an authority of your own, name its file with --ca-file, or in the environment variable SSL_CERT_FILE",
	} {
		_, _, err := exchange(t.Context(), mustNew(t, address), http.MethodGet, "/x", nil)
		if err == nil || err.Error() != want {
			t.Errorf("%s: the error is\n%v\nwant\n%s", address, err, want)
		}
	}
	// Another answer of 400 is an answer, and whole.
	for _, body := range []string{"", "x", wantsTLS + "!", strings.Repeat("y", 1000)} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, body)
		}))
		if status, text, err := exchange(t.Context(), mustNew(t, server.URL), http.MethodGet, "/", nil); err != nil || status != http.StatusBadRequest || text != body {
			t.Errorf("%d %q, %v", status, text, err)
		}
		server.Close()
	}
}

// TestWhoMayNotConnect is told why.
func TestWhoMayNotConnect(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("connecting as another user needs root")
	}
	socket := filepath.Join(t.TempDir(), "s.sock") // in a private directory
	serveSocket(t, socket, echo)
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 54321, 54321, 54321); errno != 0 {
			failed <- errno
			return
		}
		_, err := net.Dial("unix", socket)
		failed <- mustNew(t, "unix:"+socket).explain(err)
	}()
	want := "dial unix " + socket + ": connect: permission denied\nsocket_mode and socket_group in the gateway's configuration say who may connect, and so do the directories that lead to the socket"
	if err := <-failed; err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nwant\n%s", err, want)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s.sock")
	ended := make(chan struct{})
	serveSocket(t, socket, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done(); close(ended) })
	c, err := New(Config{Address: "unix:" + socket, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _, err = exchange(t.Context(), c, http.MethodGet, "/", nil)
	var late *TimeoutError
	if !errors.As(err, &late) || err.Error() != "no reply within 50ms" {
		t.Errorf("the error is %v", err)
	}
	<-ended
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := exchange(given, c, http.MethodGet, "/", nil); !errors.Is(err, context.Canceled) || errors.As(err, &late) {
		t.Errorf("the error is %v", err)
	}
}

// FuzzNew holds that an address is refused, or that requests go where it says: no path changes the host.
func FuzzNew(f *testing.F) {
	for _, seed := range [][2]string{{"http://a:80", "/v1"}, {"https://[::1]/", "/a?b#c"}, {"unix:/run/s", "//x/y"}, {"http://a@b", "/\\..%2f"}, {"http://a", "/@b:80/"}, {"unix://h/p", "/:80"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, address, path string) {
		c, err := New(Config{Address: address})
		if err != nil {
			return
		}
		defer c.Close()
		req, err := c.Request(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			return
		}
		if base := req.URL.Scheme + "://" + req.URL.Host; base != c.base || req.URL.User != nil || req.Host != req.URL.Host {
			t.Fatalf("%q and %q go to %q, not to %q", address, path, base, c.base)
		}
		if (c.socket != "") != strings.HasPrefix(address, "unix:/") {
			t.Fatalf("%q is the socket %q", address, c.socket)
		}
	})
}
