package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Policy is which policy decides, and how the sources of the next one fare.
type Policy struct {
	Loaded      bool
	ActivatedAt time.Time
	LoadFailed  bool // the newest attempt to load one, of any source
	Warnings    int  // about the one that decides
	Bundles     []Bundle

	CacheHits, CacheMisses, CacheBypassed uint64 // decisions, since the start
	CacheBytes                            int64
	Cacheable                             bool // decisions of the one that decides may be given again

	LogWaiting                                int64 // events and chunks of decision logs
	LogDroppedFull, LogDroppedRate, LogFailed int64 // events, since the start
	ChunksSent, ChunksNotSent                 int64 // since the start
}

// Bundle is a remote part of the policy.
type Bundle struct {
	Name      string
	Failed    bool // the newest attempt to fetch or to use it
	FromDisk  bool // it was kept by an earlier process, and its server has not been heard since
	ContactAt time.Time
}

func policyFigures(read func() Policy) *figures {
	f := new(figures)
	loaded := f.gauge("policy_loaded", "1 if a policy decides; otherwise every request is refused.")
	activatedAt := f.gauge("policy_activation_timestamp_seconds", "When the policy that decides came into force; 0 if there is none.")
	failed := f.gauge("policy_load_failed", "1 while the newest policy of a source is not in force, because something is wrong with it.")
	warnings := f.gauge("policy_warnings", "What looks like a mistake in the policy that decides.")
	bundleFailed := f.gauge("policy_bundle_failed", "1 while the bundle cannot be fetched, or its newest version not be used.", "bundle")
	fromDisk := f.gauge("policy_bundle_from_disk", "1 while the bundle is one that an earlier process kept, because its server has not answered since.", "bundle")
	contact := f.gauge("policy_bundle_contact_timestamp_seconds", "When the bundle's server last answered in order; 0 if it never did.", "bundle")
	cached := f.counter("policy_cache_decisions_total", "Decisions, by whether one on the same request was given again (hit), kept (miss), or could not be (bypass).", "result")
	cacheBytes := f.gauge("policy_cache_bytes", "Memory that kept decisions take.")
	cacheable := f.gauge("policy_cacheable", "1 if decisions of the policy that decides may be given again; the log says why not.")
	logWaiting := f.gauge("decision_log_waiting", "Events and chunks of events that wait to be sent.")
	logDropped := f.counter("decision_log_dropped_total", "Events and chunks that were dropped: because too many waited (full), or were made at once (rate).", "reason")
	logFailed := f.counter("decision_log_failures_total", "Events that could not be written.")
	chunks := f.counter("decision_log_chunks_total", "Attempts to send a chunk of events, by result.", "result")
	f.read = func(out chan<- prometheus.Metric) {
		p := read()
		loaded(out, truth(p.Loaded))
		activatedAt(out, stamp(p.ActivatedAt))
		failed(out, truth(p.LoadFailed))
		warnings(out, float64(p.Warnings))
		for _, b := range p.Bundles {
			bundleFailed(out, truth(b.Failed), b.Name)
			fromDisk(out, truth(b.FromDisk), b.Name)
			contact(out, stamp(b.ContactAt), b.Name)
		}
		cached(out, float64(p.CacheHits), "hit")
		cached(out, float64(p.CacheMisses), "miss")
		cached(out, float64(p.CacheBypassed), "bypass")
		cacheBytes(out, float64(p.CacheBytes))
		cacheable(out, truth(p.Cacheable))
		logWaiting(out, float64(p.LogWaiting))
		logDropped(out, float64(p.LogDroppedFull), "full")
		logDropped(out, float64(p.LogDroppedRate), "rate")
		logFailed(out, float64(p.LogFailed))
		chunks(out, float64(p.ChunksSent), "ok")
		chunks(out, float64(p.ChunksNotSent), "failed")
	}
	return f
}
