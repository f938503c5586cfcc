package main

import (
	"strings"
	"testing"

	"github.com/sidegate/sidegate/wasm"
)

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
