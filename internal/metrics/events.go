package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Bounds of histograms, in seconds.
var (
	stageBounds   = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10}
	requestBounds = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}
	jobBounds     = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}
)

// events are what is counted when it happens.
type events struct {
	requests        *prometheus.CounterVec
	requestDuration *prometheus.HistogramVec
	refusals        *prometheus.CounterVec
	stages          *prometheus.HistogramVec
	decisions       *prometheus.HistogramVec
	accepted        *prometheus.CounterVec
	observed        *prometheus.CounterVec
	ended           *prometheus.CounterVec
	jobDuration     *prometheus.HistogramVec
	activations     prometheus.Counter
	loadFailures    prometheus.Counter
	reloads         *prometheus.CounterVec
	reloadFailed    prometheus.Gauge
	reloadedAt      prometheus.Gauge
	plugins         *prometheus.HistogramVec
}

func newEvents(c Config) events {
	e := events{
		requests:        counters("requests_total", "Requests that were answered, by the code of the refusal, or ok.", "route", "method", "code"),
		requestDuration: histograms("request_duration_seconds", "Time from a request's head to the end of its answer. Of a caller who waits for a command it includes the command.", requestBounds, "route", "method", "class"),
		refusals:        counters("client_refusals_total", "Requests of known clients that were refused, by code.", "client", "code"),
		stages:          histograms("stage_duration_seconds", "Time that a stage of a request took.", stageBounds, "stage"),
		decisions:       histograms("policy_decision_duration_seconds", "Time that the policy took to decide, by what it said.", stageBounds, "result"),
		accepted:        counters("jobs_accepted_total", "Jobs that were accepted.", "client", "profile"),
		observed:        counters("jobs_observed_total", "Accepted jobs that the policy denied and observe mode let through.", "client"),
		ended:           counters("jobs_ended_total", "Jobs whose end is on record, by status.", "status"),
		jobDuration:     histograms("job_duration_seconds", "Time that commands ran, by how they ended.", jobBounds, "result"),
		activations:     prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "policy_activations_total", Help: "Policies that came into force."}),
		loadFailures:    prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "policy_load_failures_total", Help: "Policies that were refused."}),
		reloads:         counters("reloads_total", "Reloads of the configuration, by result.", "result"),
		reloadFailed:    prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "reload_failed", Help: "1 while the newest reload of the configuration is not in force."}),
		reloadedAt:      prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "reload_timestamp_seconds", Help: "When the configuration that is in force was read."}),
		plugins:         histograms("plugin_call_duration_seconds", "Time that calls of a plugin took, failed ones too, with the wait for their turn.", stageBounds, "plugin", "phase"),
	}
	for _, s := range c.JobStatuses {
		e.ended.WithLabelValues(s)
	}
	for _, s := range []string{allow, deny, fault} {
		e.decisions.WithLabelValues(s)
	}
	for _, s := range []string{success, nonzero, cutShort} {
		e.jobDuration.WithLabelValues(s)
	}
	for _, s := range []string{"ok", "failed"} {
		e.reloads.WithLabelValues(s)
	}
	return e
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
}

func histograms(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: bounds}, labels)
}

func (e *events) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		e.requests, e.requestDuration, e.refusals, e.stages, e.decisions, e.accepted, e.observed, e.ended, e.jobDuration, e.activations, e.loadFailures, e.reloads, e.reloadFailed, e.reloadedAt, e.plugins,
	}
}

// How commands end, as their durations are told apart: by themselves with exit code 0 or another one, or because something ended them.
const (
	success  = "success"
	nonzero  = "nonzero"
	cutShort = "cut_short"
)

// What a policy says; a fault is a denial because it failed.
const (
	allow = "allow"
	deny  = "deny"
	fault = "fault"
)

// Request counts an answer. route is a path as it is routed, not as it was sent, class that of the HTTP status, and code a refusal's, or "ok".
func (e *events) Request(route, method, class, code string, took time.Duration) {
	e.requests.WithLabelValues(route, method, code).Inc()
	e.requestDuration.WithLabelValues(route, method, class).Observe(took.Seconds())
}

// Refused counts a refusal of a client, as the configuration names it.
func (e *events) Refused(client, code string) { e.refusals.WithLabelValues(client, code).Inc() }

// Stage counts what a stage of a request took.
func (e *events) Stage(stage string, took time.Duration) {
	e.stages.WithLabelValues(stage).Observe(took.Seconds())
}

// Decided counts an answer of the policy, or its failure to give one.
func (e *events) Decided(allowed, failed bool, took time.Duration) {
	result := deny
	switch {
	case failed:
		result = fault
	case allowed:
		result = allow
	}
	e.decisions.WithLabelValues(result).Observe(took.Seconds())
}

// Accepted counts a job. observed says that the policy denied it.
func (e *events) Accepted(client, profile string, observed bool) {
	e.accepted.WithLabelValues(client, profile).Inc()
	if observed {
		e.observed.WithLabelValues(client).Inc()
	}
}

// Ended counts a job's end, and how long its command ran; 0 if it did not, or nobody knows.
func (e *events) Ended(status string, exitCode int, ran time.Duration) {
	e.ended.WithLabelValues(status).Inc()
	if ran <= 0 {
		return
	}
	result := cutShort
	switch {
	case status == "exited" && exitCode == 0:
		result = success
	case status == "exited":
		result = nonzero
	}
	e.jobDuration.WithLabelValues(result).Observe(ran.Seconds())
}

// PolicyActivated counts a policy that came into force.
func (e *events) PolicyActivated() { e.activations.Inc() }

// PolicyRefused counts a policy that did not.
func (e *events) PolicyRefused() { e.loadFailures.Inc() }

// PluginCalled counts what a call of a plugin took. Both names are from the configuration.
func (e *events) PluginCalled(plugin, phase string, took time.Duration) {
	e.plugins.WithLabelValues(plugin, phase).Observe(took.Seconds())
}

// ConfigurationRead says that the configuration that is in force was read now.
func (e *events) ConfigurationRead() { e.reloadedAt.SetToCurrentTime() }

// Reloaded counts a reload of the configuration.
func (e *events) Reloaded(ok bool) {
	if ok {
		e.reloads.WithLabelValues("ok").Inc()
		e.ConfigurationRead()
	} else {
		e.reloads.WithLabelValues("failed").Inc()
	}
	e.reloadFailed.Set(truth(!ok))
}
