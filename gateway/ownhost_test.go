package gateway

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

// TestAdminByAnotherName: a page whose name has been made to point to this host reads nothing of the admin listener.
func TestAdminByAnotherName(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(newGateway(t).AdminHandler())
	t.Cleanup(s.Close)
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{
		"": 200, "127.0.0.1:8098": 200, "[::1]:8098": 200, "[::1]": 200, "localhost": 200, "localhost:8098": 200, "LocalHost.:1": 200, "gate.localhost:1": 200, "prometheus:9": 200, own + ":8098": 200,
		"evil.example": 421, "evil.example:8098": 421, "evil.example.:8098": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "127.0.0.1.nip.io:8098": 421,
	} {
		for _, path := range []string{"/healthz", "/v1/chains", "/no/such"} {
			req, err := http.NewRequest(http.MethodGet, s.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if req.Host = host; host == "" {
				req.Host = s.Listener.Addr().String()
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if path == "/no/such" && want == 200 {
				continue
			}
			if resp.StatusCode != want {
				t.Errorf("%s as %q: %d, want %d", path, host, resp.StatusCode, want)
			}
		}
	}
}

// TestOnLoopback: names count only where nobody comes from another host, who may well call this one by the name that others gave it.
func TestOnLoopback(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		at   net.Addr
		want bool
	}{
		{nil, false}, {&net.UnixAddr{Net: "unix", Name: "/run/s"}, false},
		{&net.TCPAddr{IP: net.IPv4(127, 0, 1, 1), Port: 1}, true}, {&net.TCPAddr{IP: net.IPv6loopback, Port: 1}, true}, {&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}, false},
		{watchableAddr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil}, true},
	} {
		if got := onLoopback(test.at); got != test.want {
			t.Errorf("%v: %v", test.at, got)
		}
	}
}
