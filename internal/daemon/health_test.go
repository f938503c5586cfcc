package daemon

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/gateway"
)

// readyz asks the admin listener as somebody who wants a form of answer.
func readyz(t *testing.T, d *Daemon, accept string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(page(d), "/metrics")+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(all)
}

// reasons are those of a report, by check.
func reasons(t *testing.T, d *Daemon) (status int, by map[string]string) {
	t.Helper()
	status, text := readyz(t, d, "")
	var report struct {
		Ready  bool
		Checks []gateway.Check
	}
	if err := json.Unmarshal([]byte(text), &report); err != nil || report.Ready != (status == http.StatusOK) {
		t.Fatalf("%v in %d %s", err, status, text)
	}
	by = map[string]string{}
	for _, c := range report.Checks {
		if c.OK && c.Reason != "" && c.Reason != gateway.ReasonPolicyRefused || !c.OK && (c.Reason == "" || c.Detail == "") {
			t.Errorf("got %+v", c)
		}
		if c.Reason != "" {
			by[c.Name] = c.Reason
		}
	}
	return status, by
}

// TestReadyReasons: what keeps a gateway from its work, and what only should be known, each with its reason.
func TestReadyReasons(t *testing.T) {
	t.Parallel()
	away := httptest.NewServer(http.NotFoundHandler())
	defer away.Close()
	s := watchedSite(t, "audit: {checkpoint_interval: 1s, checkpoint_url: \""+away.URL+"/checkpoints\"}\n")
	d, url, _ := s.start(t)
	s.call(t, url, map[string]any{"command": "true"})
	eventually(t, "checkpoints are not sent", func() bool {
		status, by := reasons(t, d)
		return status == http.StatusOK && by["checkpoints to http"] == gateway.ReasonCheckpointsStay && len(by) == 1
	})
	write(t, filepath.Join(s.dir, "policies", "sidegate", "decision.rego"), "package sidegate\n\n\x1b[31m{", 0o644)
	eventually(t, "the policy is refused", func() bool {
		status, by := reasons(t, d)
		return status == http.StatusOK && by["policy"] == gateway.ReasonPolicyRefused
	})
	d.gateway.SetReloadProblem(os.ErrInvalid)
	if status, by := reasons(t, d); status != http.StatusOK || by["reload"] != gateway.ReasonReloadFailed {
		t.Errorf("got %d %v", status, by)
	}
	status, text := readyz(t, d, "text/plain")
	if status != http.StatusOK || !strings.HasPrefix(text, "ready\n") || !strings.Contains(text, "\nNOTE  checkpoints to http  checkpoints_not_sent: ") || strings.Contains(text, "\x1b") {
		t.Errorf("got %d\n%s", status, text)
	}
	if err := d.journal.Close(); err != nil {
		t.Fatal(err)
	}
	if status, by := reasons(t, d); status != http.StatusServiceUnavailable || by["journal"] != gateway.ReasonJournal {
		t.Errorf("got %d %v", status, by)
	}
	if status, text := readyz(t, d, "text/plain"); status != http.StatusServiceUnavailable || !strings.HasPrefix(text, "not ready\n") || !strings.Contains(text, "\nFAILED  journal") {
		t.Errorf("got %d\n%s", status, text)
	}
}

// TestNotReadyWithoutPolicy: a gateway that has no policy says so.
func TestNotReadyWithoutPolicy(t *testing.T) {
	t.Parallel()
	s := watchedSite(t, "")
	away := httptest.NewServer(http.NotFoundHandler())
	defer away.Close()
	s.yaml = strings.Replace(s.yaml, "policy: {paths: [policies]}", `policy: {paths: [], opa: {services: {a: {url: "`+away.URL+`"}}, bundles: {site: {service: a}}}}`, 1)
	d, _, _ := s.start(t)
	eventually(t, "it says why", func() bool {
		status, by := reasons(t, d)
		return status == http.StatusServiceUnavailable && by["policy"] == gateway.ReasonNoPolicy && by["bundle site"] == gateway.ReasonBundleStale
	})
}

// TestProfiles: they are served when asked for, and on the admin listener only.
func TestProfiles(t *testing.T) {
	t.Parallel()
	for extra, want := range map[string]int{"": http.StatusNotFound, "telemetry: {pprof: true}\n": http.StatusOK} {
		s := watchedSite(t, extra)
		d, url, stop := s.start(t)
		admin := strings.TrimSuffix(page(d), "/metrics")
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=1", "/debug/pprof/heap", "/debug/pprof/symbol"} {
			if got := unsigned(t, http.MethodGet, admin+path); got != want {
				t.Errorf("%q: %s answers %d", extra, path, got)
			}
			if got := unsigned(t, http.MethodGet, url+path); got != http.StatusNotFound {
				t.Errorf("callers get %s: %d", path, got)
			}
		}
		stop()
	}
}

// TestReasonsAreDocumented: docs/observe.md has every reason, and whether the gateway is ready with it.
func TestReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/observe.md")
	if err != nil {
		t.Fatal(err)
	}
	ready := map[string]string{
		gateway.ReasonNoPolicy: "no", gateway.ReasonJournal: "no", gateway.ReasonDiskLow: "no", gateway.ReasonCanary: "no", gateway.ReasonDraining: "no",
		gateway.ReasonPolicyRefused: "yes", gateway.ReasonBundleStale: "yes", gateway.ReasonReloadFailed: "yes", gateway.ReasonPluginFailing: "yes",
		gateway.ReasonAuditBroken: "yes", gateway.ReasonCheckpointsStay: "yes", gateway.ReasonCertificate: "yes",
	}
	for reason, is := range ready {
		if !strings.Contains(string(page), "\n| `"+reason+"` | "+is+" | ") {
			t.Errorf("docs/observe.md does not say of %s: %s", reason, is)
		}
	}
	if n := strings.Count(string(page), " | yes | ") + strings.Count(string(page), " | no | "); n != len(ready) {
		t.Errorf("docs/observe.md has %d reasons, want %d", n, len(ready))
	}
	for _, event := range []string{"job.ended", "request.refused", "journal.full", "policy.refused", "audit.broken"} {
		known := false
		for _, key := range events {
			known = known || key == event
		}
		for _, key := range begun {
			known = known || key == event
		}
		if !known || !strings.Contains(string(page), "`"+event+"`") {
			t.Errorf("docs/observe.md has no event %s, or the log has not", event)
		}
	}
	alerts, err := os.ReadFile("../../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`event ([a-z]+\.[a-z_]+)`).FindAllStringSubmatch(string(alerts), -1) {
		if !slices.Contains(slices.Collect(maps.Values(events)), m[1]) {
			t.Errorf("an alert names the event %s", m[1])
		}
	}
}
