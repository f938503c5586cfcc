package main

import (
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/wasm"
)

// TestChainsOverASocket: an admin listener may be on a Unix socket.
func TestChainsOverASocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/chains" {
			_ = json.NewEncoder(w).Encode(chainReport{Generation: 7, Stages: wasm.Set{}.Order()})
		}
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	report, err := askChains(t.Context(), "unix:"+socket)
	if err != nil || report.Generation != 7 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestChainsOfABusyGateway: the table says which plugin is what callers wait for.
func TestChainsOfABusyGateway(t *testing.T) {
	t.Parallel()
	report := chainReport{Stages: wasm.Set{}.Order(), Plugins: []wasm.PluginStatus{
		{Name: "idle", Calls: 12345, Healthy: true},
		{Name: "busy", Calls: 8, Running: 8, Waiting: 1024, Denied: 1, Failures: map[wasm.Kind]uint64{"busy": 2, "trap": 1}, LastFailure: "trap"},
	}}
	var out strings.Builder
	if err := report.print(&out); err != nil {
		t.Fatal(err)
	}
	const want = `
PLUGIN   CALLS  RUNNING  WAITING  DENIED  FAILED  HEALTHY
idle    12,345        0        0       0       0  yes
busy         8        8     1024       1       3  no: trap
`
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("got\n%s", out.String())
	}
}
