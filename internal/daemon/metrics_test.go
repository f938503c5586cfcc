package daemon

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/metrics/metricstest"
)

// someDenied allows everything but commands that are called denied, and fails on one that is called fault.
const someDenied = `package sidegate

default decision := {"allow": false, "grants": [], "reasons": ["denied by the test"], "obligations": {}}

decision := {"allow": true, "grants": ["test"], "reasons": [], "obligations": {"filesystem": {"read": ["/"], "write": ["/"]}}} if {
	every c in input.shell.commands { c.name != "denied" }
}

decision := {"allow": false, "grants": [], "reasons": ["two decisions are none"], "obligations": {}} if {
	some c in input.shell.commands
	c.name == "fault"
}
`

// watchedSite is a site whose figures can be scraped.
func watchedSite(t *testing.T, extra string) site {
	t.Helper()
	s := newSite(t, t.TempDir(), extra)
	s.yaml = strings.Replace(s.yaml, `admin_listen: ""`, `admin_listen: "127.0.0.1:0"`, 1)
	return s
}

// page is where the figures of a daemon are.
func page(d *Daemon) string {
	addresses := d.addresses()
	return "http://" + addresses[len(addresses)-1].String() + "/metrics"
}

// unsigned makes one call that nobody signed.
func unsigned(t *testing.T, method, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestMetrics scrapes a gateway after calls of many kinds.
func TestMetrics(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer receiver.Close()
	s := watchedSite(t, `callbacks: {allow: ["`+receiver.URL+`/*"]}
executor: {concurrency: 1, queue: 5}
`)
	write(t, filepath.Join(s.dir, "policies", "sidegate", "decision.rego"), someDenied, 0o644)
	d, url, _ := s.start(t)

	before := metricstest.Scrape(t, page(d))
	before.Lint(t)
	before.Want(t, map[string]float64{
		`sidegate_build_info{release_date="",version="test"}`: 1, `sidegate_policy_loaded`: 1, `sidegate_policy_activations_total`: 1, `sidegate_policy_load_failures_total`: 0,
		`sidegate_jobs_ended_total{status="exited"}`: 0, `sidegate_jobs_slots`: 1, `sidegate_jobs_places`: 5, `sidegate_audit_broken`: 0, `sidegate_observing`: 0,
	})

	for command, want := range map[string]int{"true": 200, "echo one": 200, "sh -c 'exit 3'": 200, "sh -c 'kill -9 $$'": 200, "denied now": 403, "fault": 403, "secret-word": 200} {
		if a := s.call(t, url, map[string]any{"command": command}); a.Status != want {
			t.Errorf("%s: %+v", command, a)
		}
	}
	if a := s.call(t, url, map[string]any{"command": 1}); a.Status != 400 {
		t.Errorf("%+v", a)
	}
	req, err := signed(t.Context(), url, auth.NewNonce(), map[string]any{"command": "true"})
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Auth-Signature", strings.Repeat("0", 40))
	if a, err := send(http.DefaultClient, req); err != nil || a.Status != 401 {
		t.Errorf("%+v %v", a, err)
	}
	if code := unsigned(t, http.MethodPost, url+"/shell"); code != 401 {
		t.Error(code)
	}
	if code := unsigned(t, http.MethodGet, url+"/shell"); code != 405 {
		t.Error(code)
	}
	if code := unsigned(t, "BREW", url+"/no/such/path-of-the-caller"); code != 404 {
		t.Error(code)
	}
	if a := s.call(t, url, map[string]any{"command": "true", "wait": false, "callbackURL": receiver.URL + "/called-back"}); a.Status != 200 {
		t.Errorf("%+v", a)
	}
	running := s.background(t, url, map[string]any{"command": s.untilReleased()})
	s.await(t, "begun")
	waiting := s.background(t, url, map[string]any{"command": "true"})
	eventually(t, "a job waits, and the callback is settled", func() bool {
		p := metricstest.Scrape(t, page(d))
		return p.Value(t, "sidegate_jobs_waiting") == 1 && p.Value(t, `sidegate_callback_outcomes_total{outcome="acknowledged"}`) == 1
	})

	p := metricstest.Scrape(t, page(d))
	p.Lint(t)
	p.Want(t, map[string]float64{
		`sidegate_jobs_running`: 1, `sidegate_jobs_waiting`: 1, `sidegate_journal_jobs{status="running"}`: 1, `sidegate_journal_jobs{status="accepted"}`: 1,
		`sidegate_callbacks_pending`: 0, `sidegate_callbacks_dead`: 0, `sidegate_callback_attempts_in_flight`: 0,
	})
	if v := p.Value(t, "sidegate_jobs_oldest_wait_seconds"); v <= 0 {
		t.Errorf("somebody waits since %v", v)
	}
	write(t, filepath.Join(s.dir, "out", "release"), "", 0o644)
	<-running
	<-waiting
	eventually(t, "both calls are counted and their jobs over", func() bool { // which is after their answers
		p := metricstest.Scrape(t, page(d))
		return p.Value(t, "sidegate_jobs_running") == 0 && p.Value(t, `sidegate_requests_total{code="ok",method="POST",route="/shell"}`) == 8
	})

	p = metricstest.Scrape(t, page(d))
	p.Lint(t)
	p.Want(t, map[string]float64{
		`sidegate_requests_total{code="ok",method="POST",route="/shell"}`:                   8,
		`sidegate_requests_total{code="denied",method="POST",route="/shell"}`:               2,
		`sidegate_requests_total{code="invalid_request",method="POST",route="/shell"}`:      1,
		`sidegate_requests_total{code="invalid_signature",method="POST",route="/shell"}`:    1,
		`sidegate_requests_total{code="missing_signature",method="POST",route="/shell"}`:    1,
		`sidegate_requests_total{code="method_not_allowed",method="GET",route="/shell"}`:    1,
		`sidegate_requests_total{code="not_found",method="other",route="other"}`:            1,
		`sidegate_request_duration_seconds_count{class="2xx",method="POST",route="/shell"}`: 8,
		`sidegate_request_duration_seconds_count{class="4xx",method="POST",route="/shell"}`: 5,
		`sidegate_client_refusals_total{client="func",code="denied"}`:                       2,
		`sidegate_client_refusals_total{client="func",code="invalid_request"}`:              1,
		`sidegate_jobs_accepted_total{client="func",profile="confined"}`:                    8,
		`sidegate_jobs_ended_total{status="exited"}`:                                        6,
		`sidegate_jobs_ended_total{status="signaled"}`:                                      1,
		`sidegate_jobs_ended_total{status="failed"}`:                                        1,
		`sidegate_job_duration_seconds_count{result="success"}`:                             5,
		`sidegate_job_duration_seconds_count{result="nonzero"}`:                             1,
		`sidegate_job_duration_seconds_count{result="cut_short"}`:                           1,
		`sidegate_policy_decision_duration_seconds_count{result="deny"}`:                    1,
		`sidegate_policy_decision_duration_seconds_count{result="fault"}`:                   1,
		`sidegate_stage_duration_seconds_count{stage="admit"}`:                              8,
		`sidegate_stage_duration_seconds_count{stage="record"}`:                             8,
		`sidegate_jobs_running`:                                0,
		`sidegate_journal_jobs{status="running"}`:              0,
		`sidegate_journal_commit_failures_total`:               0,
		`sidegate_journal_ballast_missing`:                     0,
		`sidegate_metrics_lookup_failures_total`:               0,
		`sidegate_callbacks_given_up_total`:                    0,
		`sidegate_callback_outcomes_total{outcome="rejected"}`: 0,
	})
	for _, figure := range []string{
		"sidegate_journal_commits_total", "sidegate_journal_stored_bytes", "sidegate_journal_file_bytes", "sidegate_journal_disk_free_bytes", "sidegate_journal_low_water_bytes",
		"sidegate_audit_leaves", "sidegate_policy_activation_timestamp_seconds", "sidegate_reload_timestamp_seconds", "sidegate_journal_commit_duration_seconds_count", "sidegate_journal_commit_duration_seconds_sum",
	} {
		if p.Value(t, figure) <= 0 {
			t.Errorf("%s is not above zero", figure)
		}
	}
	for _, own := range []string{"secret-word", "path-of-the-caller", "called-back", receiver.URL, "BREW", testSecret} {
		if strings.Contains(p.Text, own) {
			t.Errorf("%q is on the page", own)
		}
	}
	if resp := unsigned(t, http.MethodGet, url+"/metrics"); resp != 404 {
		t.Errorf("callers get the figures: %d", resp)
	}
}

// TestMetricsOfReloads: an edit that is refused is seen until one is taken.
func TestMetricsOfReloads(t *testing.T) {
	t.Parallel()
	s := watchedSite(t, "")
	rego := filepath.Join(s.dir, "policies", "sidegate", "decision.rego")
	// The configuration was not read from a file; what is reloaded is the policy, and the reload as a whole fails.
	d, _, _ := s.start(t)
	write(t, rego, "package sidegate\n\ndecision := {", 0o644)
	eventually(t, "the broken policy is seen", func() bool {
		p := metricstest.Scrape(t, page(d))
		return p.Value(t, "sidegate_policy_load_failed") == 1 && p.Value(t, "sidegate_policy_load_failures_total") >= 1
	})
	p := metricstest.Scrape(t, page(d))
	p.Want(t, map[string]float64{"sidegate_policy_loaded": 1, "sidegate_policy_activations_total": 1})
	write(t, rego, strings.Replace(allowAll, "test", "mended", 1), 0o644)
	eventually(t, "the mended policy decides", func() bool {
		return metricstest.Scrape(t, page(d)).Value(t, "sidegate_policy_activations_total") == 2
	})
	metricstest.Scrape(t, page(d)).Want(t, map[string]float64{"sidegate_policy_load_failed": 0})
	_ = os.Remove(rego)
	if err := d.Reload(context.Background()); err == nil {
		t.Fatal("a configuration without a file was read again")
	}
	metricstest.Scrape(t, page(d)).Want(t, map[string]float64{"sidegate_reload_failed": 1, `sidegate_reloads_total{result="failed"}`: 1, `sidegate_reloads_total{result="ok"}`: 0})
}
