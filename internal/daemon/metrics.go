package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/jobs"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/metrics"
	"github.com/sidegate/sidegate/policy"
)

// endings are the statuses of jobs that have ended.
var endings = []string{
	string(journal.Exited), string(journal.Signaled), string(journal.TimedOut), string(journal.Killed), string(journal.Failed), string(journal.Interrupted),
}

// watched are parts that only the gateway needs otherwise, and figures too.
type watched struct {
	queue  *jobs.Queue
	runner *executor.Runner
}

// newMetrics has the figures read from the parts of a daemon, which are there by the time that somebody can ask for them.
func (d *Daemon) newMetrics(c *config.Config, build Build, log *slog.Logger) (*metrics.Metrics, error) {
	low := lowWater(c)
	return metrics.New(metrics.Config{
		Version: build.Version, ReleaseDate: build.ReleaseDate, JobStatuses: endings, Log: log,
		Limits: func() metrics.Limits {
			return metrics.Limits{
				Slots: c.Executor.Concurrency, Places: c.Executor.Queue, LowWater: low,
				Observing: c.Policy.Mode == "observe" && time.Now().Before(c.Policy.ObserveUntil),
			}
		},
		Queue:     d.queueFigures,
		Journal:   d.journalFigures,
		Lookup:    d.lookUpFigures,
		Callbacks: d.callbackFigures,
		Audit:     d.auditFigures,
		Policy:    func() metrics.Policy { return policyFigures(d.policy.Status()) },
		Plugins:   d.pluginFigures,
		Sandbox:   d.sandboxFigures,
		Traces:    d.traceFigures,

		CertificateEnd: d.certificateEnd,
	})
}

// counting has the gateway tell what happens.
func counting(m *metrics.Metrics) gateway.Metrics {
	return gateway.Metrics{
		Page: m, Request: m.Request, Refused: m.Refused, Stage: m.Stage, Decided: m.Decided, Accepted: m.Accepted, Ended: m.Ended,
	}
}

func (d *Daemon) queueFigures() metrics.Queue {
	s := d.watched.queue.Stats()
	return metrics.Queue{Running: s.Running, Waiting: s.Waiting, OldestWait: s.OldestWait}
}

func (d *Daemon) journalFigures() metrics.Journal {
	s := d.journal.Stats()
	return metrics.Journal{
		Commits: s.Commits, Failures: s.Failures, Operations: s.Operations, Refused: s.Refused, Queued: s.Queued,
		CommitTime: metrics.Histogram(s.CommitTime), BatchSize: metrics.Histogram(s.BatchSize), Stored: s.Stored, BallastGone: s.BallastGone,
	}
}

func (d *Daemon) lookUpFigures(ctx context.Context) (metrics.Lookup, error) {
	g, err := d.journal.Gauges(ctx)
	return metrics.Lookup(g), err
}

func (d *Daemon) callbackFigures() metrics.Callbacks {
	s := d.delivery.Stats()
	f := metrics.Callbacks{UnderWay: s.UnderWay, Destinations: s.Destinations, Unreachable: s.Unreachable, GivenUp: s.Dead, Settled: make(map[string]uint64, len(s.Settled))}
	for outcome, n := range s.Settled {
		f.Settled[string(outcome)] = n
	}
	return f
}

func (d *Daemon) auditFigures() metrics.Audit {
	last := d.maker.Last()
	f := metrics.Audit{Leaves: d.journal.Stats().AuditSize, Signed: last.Size, SignedAt: last.Time, Broken: d.maker.Broken() != nil}
	for _, s := range d.maker.Sinks() {
		f.Sinks = append(f.Sinks, metrics.Sink{Name: s.Name, Leaves: s.Size, Failures: s.Failures, Since: s.Since})
	}
	return f
}

func policyFigures(s policy.Status) metrics.Policy {
	f := metrics.Policy{
		Loaded: s.Ready, ActivatedAt: s.ActivatedAt, LoadFailed: s.LastError != nil, Warnings: len(s.Warnings),
		CacheHits: s.Cache.Hits, CacheMisses: s.Cache.Misses, CacheBypassed: s.Cache.Bypassed, CacheBytes: s.Cache.Bytes, Cacheable: s.Ready && s.Cache.Why == "",
		LogWaiting: s.DecisionLogs.Waiting, LogDroppedFull: s.DecisionLogs.DroppedFull, LogDroppedRate: s.DecisionLogs.DroppedRate, LogFailed: s.DecisionLogs.Failed,
		ChunksSent: s.DecisionLogs.ChunksSent, ChunksNotSent: s.DecisionLogs.ChunksNotSent,
	}
	for _, b := range s.Bundles {
		f.Bundles = append(f.Bundles, metrics.Bundle{Name: b.Name, Failed: b.LastError != nil, FromDisk: b.FromDisk, ContactAt: b.ContactAt})
	}
	return f
}

func (d *Daemon) pluginFigures() []metrics.Plugin {
	status := d.plugins.Status()
	all := make([]metrics.Plugin, len(status))
	for i, s := range status {
		all[i] = metrics.Plugin{
			Name: s.Name, Calls: s.Calls, Denied: s.Denied, Answered: s.Answered, Failures: make(map[string]uint64, len(s.Failures)),
			Healthy: s.Healthy, OpenFor: s.OpenFor, Instances: s.Instances, Running: s.Running, Waiting: s.Waiting,
		}
		for kind, n := range s.Failures {
			all[i].Failures[string(kind)] = n
		}
	}
	return all
}

func (d *Daemon) sandboxFigures() []metrics.Profile {
	profiles := d.watched.runner.Profiles()
	all := make([]metrics.Profile, len(profiles))
	for i, p := range profiles {
		all[i] = metrics.Profile{Name: string(p.Profile), Available: p.Available, Enforced: p.Enforced, Missing: p.Missing}
	}
	return all
}

// countPolicy counts what a change of the policy's state was. It is told of changes only, one after the other.
func (d *Daemon) countPolicy(was *time.Time, now policy.Status) {
	if now.Ready && (was == nil || !was.Equal(now.ActivatedAt)) {
		d.metrics.PolicyActivated()
	}
	if failed := now.LastErrorAt; !failed.IsZero() && !failed.Equal(d.policyFailed) {
		d.policyFailed = failed
		d.metrics.PolicyRefused()
	}
}
