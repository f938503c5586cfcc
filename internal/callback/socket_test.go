package callback

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestOverSockets delivers over real sockets, where the errors are the system's.
func TestOverSockets(t *testing.T) {
	t.Parallel()
	quiet := log.New(io.Discard, "", 0)
	good := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer good.Close()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = quiet
	untrusted.StartTLS()
	defer untrusted.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()

	for _, tt := range []struct {
		name, url string
		state     State
		want      string
	}{
		{"good", good.URL, Delivered, ""},
		{"refused", "http://" + closed.Addr().String(), Retry, "connection refused"},
		{"untrusted", untrusted.URL, Retry, "the receiver's certificate is not trusted"},
		{"no TLS", strings.Replace(good.URL, "http:", "https:", 1), Retry, "the receiver does not speak TLS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := settleOne(t, tt.url+"/hook?key=hunter2")
			if got.State != tt.state || !strings.Contains(got.Error, tt.want) || strings.Contains(got.Error, "hunter2") {
				t.Errorf("settled %+v, want %s with %q", got, tt.state, tt.want)
			}
		})
	}
}

// settleOne runs a deliverer until the one delivery has its first settlement.
func settleOne(t *testing.T, url string) Settlement {
	t.Helper()
	settled := make(chan Settlement, 1)
	store := &fakeStore{beforeSet: func(_ context.Context, s Settlement) error {
		settled <- s
		return nil
	}}
	store.add(parcel{Delivery{ID: "one", URL: url}, []byte("{}")})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	d, err := New(Config{
		Store: store, Client: &http.Client{Transport: transport}, Allowed: func(Destination) bool { return true },
		Timeout: time.Minute, Attempts: 12, MaxAge: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	s := <-settled
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run returned %v", err)
	}
	return s
}
