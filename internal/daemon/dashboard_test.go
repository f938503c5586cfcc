package daemon

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/internal/metrics/metricstest"
)

// shownFigures are those that the dashboard asks for.
func shownFigures(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/sidegate.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	figures := map[string]bool{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			uses, err := metricstest.Uses(strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(target.Expr))
			if err != nil {
				t.Error(err)
			}
			for _, use := range uses {
				figures[use.Figure] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(figures))
}

// TestDashboardOfTraffic: after calls of a few kinds there is something to see in every panel, but for what this gateway has not got.
func TestDashboardOfTraffic(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer receiver.Close()
	h := newHouse(t, "")
	h.yaml += "\ncallbacks: {allow: [\"" + receiver.URL + "/*\"]}\n"
	h.configure(t, "p.wasm", "")
	d, url, _ := h.open(t)
	if a := h.call(t, url, map[string]any{"command": "true", "callbackURL": receiver.URL + "/a"}); a.Status != 200 {
		t.Fatalf("%+v", a)
	}
	h.configure(t, "p.wasm", "t")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := h.call(t, url, map[string]any{"command": "true"}); a.Status == 200 {
		t.Fatalf("%+v", a)
	}
	missing := func() (none []string) {
		text := metricstest.Scrape(t, page(d)).Text
		for _, figure := range shownFigures(t) {
			if !strings.Contains(text, "\n"+figure+"{") && !strings.Contains(text, "\n"+figure+" ") {
				none = append(none, figure)
			}
		}
		return none
	}
	// There is neither a bundle nor TLS here, and nothing is observed.
	want := []string{
		"sidegate_jobs_observed_total", "sidegate_policy_bundle_contact_timestamp_seconds", "sidegate_policy_bundle_failed", "sidegate_policy_bundle_from_disk",
		"sidegate_tls_certificate_expiry_timestamp_seconds",
	}
	eventually(t, "all else is there", func() bool { return slices.Equal(missing(), want) })
}
