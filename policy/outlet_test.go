package policy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServerThatStalls(t *testing.T) {
	t.Parallel()
	whole := rules("1", unless("a")).bytes(t)
	for name, begin := range map[string]func(http.ResponseWriter){
		"before the answer": func(http.ResponseWriter) {},
		"inside of the answer": func(w http.ResponseWriter) {
			_, _ = w.Write(whole[:20])
			_ = http.NewResponseController(w).Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				begin(w)
				<-r.Context().Done()
			}))
			defer server.Close()
			config := remote(server.URL, t.TempDir())
			config.OPA["services"].(map[string]any)["center"].(map[string]any)["response_header_timeout_seconds"] = 1
			e, changes := openRemote(t, config)
			if s := await(t, changes, refusing); s.Ready || !strings.Contains(s.LastError.Error(), "no progress for 1s") {
				t.Errorf("status %+v", s)
			}
			e.Close(t.Context())
		})
	}
	t.Run("while the engine closes", func(t *testing.T) {
		t.Parallel()
		asked := make(chan struct{}, 10)
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			asked <- struct{}{}
			<-r.Context().Done()
		}))
		defer server.Close()
		e, _ := openRemote(t, remote(server.URL, t.TempDir()))
		<-asked
		e.Close(t.Context()) // the test's own timeout is the assertion
	})
}

// OPA's services are reached through the dialer only, with the token of a file.
func TestServiceConnections(t *testing.T) {
	t.Parallel()
	server := newBundleServer(t)
	server.put(rules("1", unless("a")).bytes(t))
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := remote("http://localhost:1234", t.TempDir())
	config.OPA["services"].(map[string]any)["center"].(map[string]any)["credentials"] = map[string]any{"bearer": map[string]any{"token_path": token}}
	config.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "localhost:1234" {
			t.Errorf("dialed %s", address)
		}
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	_, changes := openRemote(t, config)
	await(t, changes, decidesBy("1"))
	server.mu.Lock()
	defer server.mu.Unlock()
	if server.auth != "Bearer s3cret" {
		t.Errorf("authorization %q", server.auth)
	}
}

func TestGuardedServiceIsRefused(t *testing.T) {
	t.Parallel()
	config := remote("http://127.0.0.1:1", t.TempDir())
	config.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("the guard says no") }
	_, changes := openRemote(t, config)
	if s := await(t, changes, refusing); !strings.Contains(s.LastError.Error(), "the guard says no") {
		t.Errorf("error %v", s.LastError)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	server := newBundleServer(t)
	server.put(rules("1", unless("a")).bytes(t))
	front := httptest.NewServer(http.RedirectHandler(server.URL+"/bundles/main", http.StatusFound))
	defer front.Close()
	e, changes := openRemote(t, remote(front.URL, t.TempDir()))
	if s := await(t, changes, refusing); s.Ready || !strings.Contains(s.LastError.Error(), "Found") {
		t.Errorf("status %+v", s)
	}
	e.Close(t.Context())
}
