package metrics

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidegate/sidegate/internal/metrics/metricstest"
)

// full is a configuration with every figure.
func full() Config {
	h := Histogram{Bounds: []float64{1, 2.5}, Counts: []uint64{3, 2, 1}, Sum: 12.5}
	ago := time.Now().Add(-time.Hour)
	return Config{
		Version: "1.2.3", ReleaseDate: "2026-01-01", JobStatuses: []string{"exited", "failed"}, Log: slog.New(slog.DiscardHandler),
		Limits: func() Limits { return Limits{Slots: 64, Places: 1024, LowWater: 1 << 20, Observing: true} },
		Queue:  func() Queue { return Queue{Running: 2, Waiting: 3, OldestWait: 1500 * time.Millisecond} },
		Journal: func() Journal {
			return Journal{Commits: 6, Failures: 1, Operations: 12, Refused: 2, Queued: 4, CommitTime: h, BatchSize: h, Stored: 99, BallastGone: true}
		},
		Lookup: func(context.Context) (Lookup, error) {
			return Lookup{FileBytes: 1, WALBytes: 2, FreeBytes: 3, Accepted: 4, Running: 5, OldestAccepted: ago, Pending: 6, Dead: 7, OldestPending: ago}, nil
		},
		Callbacks: func() Callbacks {
			return Callbacks{UnderWay: 1, Destinations: 2, Unreachable: 1, Settled: map[string]uint64{"acknowledged": 5, "rejected": 0}, GivenUp: 3}
		},
		Audit: func() Audit {
			return Audit{Leaves: 20, Signed: 15, SignedAt: time.Unix(1e9, 500e6), Broken: true, Sinks: []Sink{{Name: "log", Leaves: 15}, {Name: "http", Leaves: 9, Failures: 2, Since: ago}}}
		},
		Policy: func() Policy {
			return Policy{
				Loaded: true, ActivatedAt: time.Unix(1e9, 0), LoadFailed: true, Warnings: 2, Bundles: []Bundle{{Name: "site", Failed: true, FromDisk: true}},
				LogWaiting: 1, LogDroppedFull: 2, LogDroppedRate: 3, LogFailed: 4, ChunksSent: 5, ChunksNotSent: 6,
			}
		},
		Plugins: func() []Plugin {
			return []Plugin{{Name: "redact", Calls: 9, Denied: 1, Answered: 2, Failures: map[string]uint64{"fuel": 3}, OpenFor: 1, Instances: 4, Running: 1, Waiting: 2}}
		},
		Traces:         func() Traces { return Traces{Sent: 1, Full: 2, NotSent: 3, Failures: 4, Queued: 5} },
		CertificateEnd: func() time.Time { return time.Unix(2e9, 0) },
		Sandbox: func() []Profile {
			return []Profile{{Name: "confined", Available: true, Enforced: []string{"seccomp"}, Missing: []string{"cgroup"}}}
		},
	}
}

// happened tells one of everything.
func happened(m *Metrics) {
	m.Request("/shell", "POST", "2xx", "ok", 20*time.Millisecond)
	m.PluginCalled("redact", "request", time.Millisecond)
	m.Refused("func", "denied")
	m.Stage("decide", time.Millisecond)
	m.Decided(true, false, time.Millisecond)
	m.Decided(false, false, time.Millisecond)
	m.Decided(false, true, time.Millisecond)
	m.Accepted("func", "confined", false)
	m.Accepted("func", "confined", true)
	m.Ended("exited", 0, time.Second)
	m.Ended("exited", 1, time.Second)
	m.Ended("timed_out", 143, time.Second)
	m.Ended("failed", 126, 0)
	m.PolicyActivated()
	m.PolicyRefused()
	m.Reloaded(true)
	m.Reloaded(false)
}

func scrape(t testing.TB, m http.Handler) metricstest.Page {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return metricstest.Read(t, w.Body.String())
}

func newTest(t testing.TB, c Config) *Metrics {
	t.Helper()
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPage(t *testing.T) {
	t.Parallel()
	m := newTest(t, full())
	happened(m)
	p := scrape(t, m)
	p.Lint(t)
	p.Want(t, map[string]float64{
		`sidegate_build_info{release_date="2026-01-01",version="1.2.3"}`: 1,

		`sidegate_requests_total{code="ok",method="POST",route="/shell"}`:                               1,
		`sidegate_request_duration_seconds_bucket{class="2xx",method="POST",route="/shell",le="0.01"}`:  0,
		`sidegate_request_duration_seconds_bucket{class="2xx",method="POST",route="/shell",le="0.025"}`: 1,
		`sidegate_client_refusals_total{client="func",code="denied"}`:                                   1,
		`sidegate_stage_duration_seconds_count{stage="decide"}`:                                         1,
		`sidegate_policy_decision_duration_seconds_count{result="allow"}`:                               1,
		`sidegate_policy_decision_duration_seconds_count{result="deny"}`:                                1,
		`sidegate_policy_decision_duration_seconds_count{result="fault"}`:                               1,
		`sidegate_jobs_accepted_total{client="func",profile="confined"}`:                                2,
		`sidegate_jobs_observed_total{client="func"}`:                                                   1,
		`sidegate_jobs_ended_total{status="exited"}`:                                                    2,
		`sidegate_jobs_ended_total{status="failed"}`:                                                    1,
		`sidegate_job_duration_seconds_count{result="success"}`:                                         1,
		`sidegate_job_duration_seconds_count{result="nonzero"}`:                                         1,
		`sidegate_job_duration_seconds_count{result="cut_short"}`:                                       1,
		`sidegate_policy_activations_total`:                                                             1,
		`sidegate_policy_load_failures_total`:                                                           1,
		`sidegate_reloads_total{result="ok"}`:                                                           1,
		`sidegate_reloads_total{result="failed"}`:                                                       1,
		`sidegate_reload_failed`:                                                                        1,
		`sidegate_jobs_running`:                                                                         2,
		`sidegate_jobs_waiting`:                                                                         3,
		`sidegate_jobs_oldest_wait_seconds`:                                                             1.5,
		`sidegate_jobs_slots`:                                                                           64,
		`sidegate_jobs_places`:                                                                          1024,
		`sidegate_observing`:                                                                            1,
		`sidegate_journal_low_water_bytes`:                                                              1 << 20,
		`sidegate_journal_commits_total`:                                                                6,
		`sidegate_journal_commit_failures_total`:                                                        1,
		`sidegate_journal_operations_total`:                                                             12,
		`sidegate_journal_operations_refused_total`:                                                     2,
		`sidegate_journal_queued_operations`:                                                            4,
		`sidegate_journal_commit_duration_seconds_bucket{le="1"}`:                                       3,
		`sidegate_journal_commit_duration_seconds_bucket{le="2.5"}`:                                     5,
		`sidegate_journal_commit_duration_seconds_bucket{le="+Inf"}`:                                    6,
		`sidegate_journal_commit_duration_seconds_sum`:                                                  12.5,
		`sidegate_journal_commit_duration_seconds_count`:                                                6,
		`sidegate_journal_batch_operations_count`:                                                       6,
		`sidegate_journal_stored_bytes`:                                                                 99,
		`sidegate_journal_ballast_missing`:                                                              1,
		`sidegate_journal_file_bytes`:                                                                   1,
		`sidegate_journal_wal_bytes`:                                                                    2,
		`sidegate_journal_disk_free_bytes`:                                                              3,
		`sidegate_journal_jobs{status="accepted"}`:                                                      4,
		`sidegate_journal_jobs{status="running"}`:                                                       5,
		`sidegate_callbacks_pending`:                                                                    6,
		`sidegate_callbacks_dead`:                                                                       7,
		`sidegate_metrics_lookup_failures_total`:                                                        0,
		`sidegate_callback_attempts_in_flight`:                                                          1,
		`sidegate_callback_destinations`:                                                                2,
		`sidegate_callback_destinations_unreachable`:                                                    1,
		`sidegate_callback_outcomes_total{outcome="acknowledged"}`:                                      5,
		`sidegate_callback_outcomes_total{outcome="rejected"}`:                                          0,
		`sidegate_callbacks_given_up_total`:                                                             3,
		`sidegate_audit_leaves`:                                                                         20,
		`sidegate_audit_checkpoint_leaves`:                                                              15,
		`sidegate_audit_unsigned_leaves`:                                                                4,
		`sidegate_audit_checkpoint_timestamp_seconds`:                                                   1e9 + 0.5,
		`sidegate_audit_broken`:                                                                         1,
		`sidegate_audit_sink_leaves{sink="http"}`:                                                       9,
		`sidegate_audit_sink_failed_attempts{sink="http"}`:                                              2,
		`sidegate_audit_sink_failing_seconds{sink="log"}`:                                               0,
		`sidegate_policy_loaded`:                                                                        1,
		`sidegate_policy_activation_timestamp_seconds`:                                                  1e9,
		`sidegate_policy_load_failed`:                                                                   1,
		`sidegate_policy_warnings`:                                                                      2,
		`sidegate_policy_bundle_failed{bundle="site"}`:                                                  1,
		`sidegate_policy_bundle_from_disk{bundle="site"}`:                                               1,
		`sidegate_policy_bundle_contact_timestamp_seconds{bundle="site"}`:                               0,
		`sidegate_decision_log_waiting`:                                                                 1,
		`sidegate_decision_log_dropped_total{reason="full"}`:                                            2,
		`sidegate_decision_log_dropped_total{reason="rate"}`:                                            3,
		`sidegate_decision_log_failures_total`:                                                          4,
		`sidegate_decision_log_chunks_total{result="ok"}`:                                               5,
		`sidegate_decision_log_chunks_total{result="failed"}`:                                           6,
		`sidegate_plugin_calls_total{plugin="redact"}`:                                                  9,
		`sidegate_plugin_denials_total{plugin="redact"}`:                                                1,
		`sidegate_plugin_answers_total{plugin="redact"}`:                                                2,
		`sidegate_plugin_failures_total{kind="fuel",plugin="redact"}`:                                   3,
		`sidegate_plugin_healthy{plugin="redact"}`:                                                      0,
		`sidegate_plugin_breaker_open{plugin="redact"}`:                                                 1,
		`sidegate_plugin_instances{plugin="redact"}`:                                                    4,
		`sidegate_plugin_calls_running{plugin="redact"}`:                                                1,
		`sidegate_plugin_calls_waiting{plugin="redact"}`:                                                2,
		`sidegate_sandbox_profile_available{profile="confined"}`:                                        1,
		`sidegate_sandbox_feature_enforced{feature="seccomp",profile="confined"}`:                       1,
		`sidegate_sandbox_feature_enforced{feature="cgroup",profile="confined"}`:                        0,
	})
	for _, figure := range []string{`sidegate_journal_oldest_accepted_seconds`, `sidegate_callbacks_oldest_pending_seconds`, `sidegate_audit_sink_failing_seconds{sink="http"}`} {
		if v := p.Value(t, figure); v < 3600 || v > 3700 {
			t.Errorf("%s is %v", figure, v)
		}
	}
	for _, figure := range []string{"go_goroutines", "process_open_fds", "process_resident_memory_bytes"} {
		if p.Value(t, figure) <= 0 {
			t.Errorf("%s is not known", figure)
		}
	}
}

// TestNothingYet: ages and times of nothing are 0, not 56 years.
func TestNothingYet(t *testing.T) {
	t.Parallel()
	c := full()
	c.Lookup = func(context.Context) (Lookup, error) { return Lookup{}, nil }
	c.Audit = func() Audit { return Audit{Leaves: 3} }
	c.Policy = func() Policy { return Policy{} }
	p := scrape(t, newTest(t, c))
	p.Lint(t)
	p.Want(t, map[string]float64{
		`sidegate_journal_oldest_accepted_seconds`: 0, `sidegate_callbacks_oldest_pending_seconds`: 0, `sidegate_audit_checkpoint_timestamp_seconds`: 0,
		`sidegate_policy_activation_timestamp_seconds`: 0, `sidegate_audit_unsigned_leaves`: 3,
		`sidegate_jobs_ended_total{status="failed"}`: 0, `sidegate_reload_failed`: 0, `sidegate_policy_decision_duration_seconds_count{result="fault"}`: 0,
	})
}

// TestWithout: functions that are not there leave nothing but their figures out.
func TestWithout(t *testing.T) {
	t.Parallel()
	p := scrape(t, newTest(t, Config{Version: "1"}))
	if !p.Has("sidegate_policy_activations_total") || p.Has("sidegate_journal_commits_total") || p.Has("sidegate_metrics_lookup_failures_total") {
		t.Errorf("%s", p.Text)
	}
	if _, err := New(Config{LookupTime: -1}); err == nil {
		t.Error("a negative time was taken")
	}
}

// TestLookupFails: what cannot be looked up is left out, and counted; all else is there, and it is tried again at the next scrape.
func TestLookupFails(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() (Lookup, error){
		"error": func() (Lookup, error) { return Lookup{FreeBytes: 1}, errors.New("disk I/O error") },
		"panic": func() (Lookup, error) { panic("of a test") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, fails := full(), true
			var log strings.Builder
			c.Log = slog.New(slog.NewTextHandler(&log, nil))
			c.Lookup = func(context.Context) (Lookup, error) {
				if fails {
					return fail()
				}
				return Lookup{FreeBytes: 3}, nil
			}
			m := newTest(t, c)
			for range 2 {
				p := scrape(t, m)
				if p.Has("sidegate_journal_disk_free_bytes") || p.Has("sidegate_callbacks_pending") || !p.Has("sidegate_journal_commits_total") {
					t.Errorf("%s", p.Text)
				}
			}
			fails = false
			scrape(t, m)
			scrape(t, m).Want(t, map[string]float64{"sidegate_journal_disk_free_bytes": 3, "sidegate_metrics_lookup_failures_total": 2})
			if n := strings.Count(log.String(), "cannot be looked up"); n != 1 {
				t.Errorf("it was told %d times: %s", n, log.String())
			}
		})
	}
}

// TestLookupHangs: a scrape does not wait for a disk that does not answer, and there is one look-up at most, however often it is scraped.
func TestLookupHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := full()
		var begun, ended atomic.Int64
		release := make(chan struct{})
		c.Lookup = func(ctx context.Context) (Lookup, error) {
			n := begun.Add(1)
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) != DefaultLookupTime {
				t.Errorf("it may take until %v", deadline)
			}
			<-release // whatever ctx says
			ended.Add(1)
			return Lookup{FreeBytes: n}, nil
		}
		l := newLookup(c.Lookup, DefaultLookupTime, c.Log)
		for range 3 {
			before := time.Now()
			if _, ok := l.get(); ok || time.Since(before) != DefaultLookupTime {
				t.Errorf("%v after %v", ok, time.Since(before))
			}
		}
		if begun.Load() != 1 || ended.Load() != 0 {
			t.Errorf("%d look-ups", begun.Load())
		}
		close(release)
		synctest.Wait()
		if got, ok := l.get(); !ok || got.FreeBytes != 2 {
			t.Errorf("%+v %v", got, ok)
		}
	})
}

// TestOneBadFigure: names that are not text, and parts that panic, cost their own figures only.
func TestOneBadFigure(t *testing.T) {
	t.Parallel()
	c := full()
	c.Plugins = func() []Plugin { return []Plugin{{Name: "\xff"}} }
	c.Queue = func() Queue { panic("of a test") }
	p := scrape(t, newTest(t, c))
	if p.Has("sidegate_jobs_running") || !p.Has("sidegate_journal_commits_total") {
		t.Errorf("%s", p.Text)
	}
}

func BenchmarkScrape(b *testing.B) {
	m := newTest(b, full())
	happened(m)
	for b.Loop() {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	}
}

func BenchmarkRequest(b *testing.B) {
	m := newTest(b, full())
	b.ReportAllocs()
	for b.Loop() {
		m.Request("/shell", "POST", "2xx", "ok", time.Millisecond)
	}
}
