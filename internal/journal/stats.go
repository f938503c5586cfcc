package journal

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// Stats is what the writer counts since Open, and what it knows without looking anything up.
type Stats struct {
	Commits    uint64 // batches of operations, each a transaction with at most one fsync
	Failures   uint64 // batches that could not be committed
	Operations uint64 // operations in those that did not, refused ones included
	Refused    uint64 // operations that were refused, for whatever reason
	Queued     int    // operations that wait now

	CommitTime Histogram // seconds from the beginning of a batch until it is on disk, or has failed
	BatchSize  Histogram // operations of a batch

	Stored    int64 // bytes of all jobs, as Retention counts them
	AuditSize int64 // leaves of the audit

	BallastGone bool // there is no room for the ballast
}

// Histogram counts values: Counts[i] those up to Bounds[i] and above the bound before it, and one more count those above the last bound.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Sum    float64 // of the values
}

var (
	commitTimeBounds = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}
	batchSizeBounds  = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}
)

// histogram is one that the writer goroutine counts in, and others read.
type histogram struct {
	bounds []float64
	counts []atomic.Uint64
	sum    atomic.Uint64 // in parts
	parts  float64       // of one
}

func newHistogram(bounds []float64, parts float64) *histogram {
	return &histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1), parts: parts}
}

func (h *histogram) add(v float64) {
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(uint64(v * h.parts))
}

func (h *histogram) read() Histogram {
	r := Histogram{Bounds: h.bounds, Counts: make([]uint64, len(h.counts)), Sum: float64(h.sum.Load()) / h.parts}
	for i := range h.counts {
		r.Counts[i] = h.counts[i].Load()
	}
	return r
}

// tally is what the writer counts.
type tally struct {
	commits, failures, operations, refused atomic.Uint64

	stored, auditSize     atomic.Int64
	commitTime, batchSize *histogram
}

func newTally() *tally {
	return &tally{commitTime: newHistogram(commitTimeBounds, 1e9), batchSize: newHistogram(batchSizeBounds, 1)}
}

// batch counts a batch.
func (t *tally) batch(results []error, took time.Duration, err error) {
	t.commitTime.add(took.Seconds())
	if err != nil {
		t.failures.Add(1)
		return
	}
	t.commits.Add(1)
	t.batchSize.add(float64(len(results)))
	t.operations.Add(uint64(len(results)))
	for _, r := range results {
		if r != nil {
			t.refused.Add(1)
		}
	}
}

// publish shows what is counted in the journal itself.
func (t *tally) publish(c *counts) {
	t.stored.Store(max(c.stored, 0)) // less as long as it is not counted
	t.auditSize.Store(c.tree.size)
}

// Stats returns the writer's counters. It looks nothing up and waits for nobody.
func (j *Journal) Stats() Stats {
	t := j.writer.tally
	return Stats{
		Commits: t.commits.Load(), Failures: t.failures.Load(), Operations: t.operations.Load(), Refused: t.refused.Load(), Queued: len(j.writer.ops),
		CommitTime: t.commitTime.read(), BatchSize: t.batchSize.read(),
		Stored: t.stored.Load(), AuditSize: t.auditSize.Load(), BallastGone: j.ballast.gone.Load(),
	}
}

// Gauges is what has to be looked up. Times are zero where there is nothing.
type Gauges struct {
	FileBytes int64 // of the journal's file, without the spool
	WALBytes  int64
	FreeBytes int64 // of the file system

	Accepted       int64 // jobs that wait
	Running        int64
	OldestAccepted time.Time // when the job that waits longest was accepted

	Pending       int64     // callbacks that wait
	Dead          int64     // callbacks that were given up
	OldestPending time.Time // when the callback that waits longest was due first
}

// Gauges looks the gauges up, which takes some milliseconds with 100,000 callbacks waiting.
func (j *Journal) Gauges(ctx context.Context) (g Gauges, err error) {
	var accepted, pending nullTime
	err = j.db.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM job WHERE status = 'accepted'), (SELECT count(*) FROM job WHERE status = 'running'),
		(SELECT accepted_at FROM job WHERE status = 'accepted' ORDER BY seq LIMIT 1),
		(SELECT count(*) FROM outbox WHERE state = 'pending'), (SELECT count(*) FROM outbox WHERE state = 'dead'),
		(SELECT created_at FROM outbox WHERE seq = (SELECT min(seq) FROM outbox INDEXED BY outbox_due WHERE state = 'pending'))`).
		Scan(&g.Accepted, &g.Running, &accepted, &g.Pending, &g.Dead, &pending)
	if err != nil {
		return Gauges{}, wrap("gauges", err)
	}
	g.OldestAccepted, g.OldestPending = accepted.Time, pending.Time
	if g.FreeBytes, err = j.free(j.dir); err != nil {
		return Gauges{}, wrap("gauges", err)
	}
	if g.WALBytes, err = j.walBytes(); err != nil {
		return Gauges{}, wrap("gauges", err)
	}
	st, err := os.Stat(filepath.Join(j.dir, fileName))
	if err != nil {
		return Gauges{}, wrap("gauges", err)
	}
	g.FileBytes = st.Size()
	return g, nil
}
