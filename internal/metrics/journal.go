package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Journal is what the journal knows of itself without looking.
type Journal struct {
	Commits, Failures   uint64 // batches since the start
	Operations, Refused uint64 // in those that were committed; the latter are among the former
	Queued              int    // operations that wait now
	CommitTime          Histogram
	BatchSize           Histogram
	Stored              int64 // bytes of all jobs
	BallastGone         bool
}

func journalFigures(read func() Journal) *figures {
	f := new(figures)
	commits := f.counter("journal_commits_total", "Transactions that were committed.")
	failures := f.counter("journal_commit_failures_total", "Transactions that could not be committed.")
	operations := f.counter("journal_operations_total", "Operations in committed transactions, refused ones included.")
	refused := f.counter("journal_operations_refused_total", "Operations that the journal refused, because of a used nonce, want of room, or a state that does not fit.")
	queued := f.gauge("journal_queued_operations", "Operations that wait for their transaction.")
	commitTime := f.histogram("journal_commit_duration_seconds", "Time that a transaction took until it was on disk, or had failed.")
	batchSize := f.histogram("journal_batch_operations", "Operations of a committed transaction.")
	stored := f.gauge("journal_stored_bytes", "Size of all jobs with their outputs, as retention counts it.")
	ballast := f.gauge("journal_ballast_missing", "1 while there is no room for the ballast, which keeps room for the ends of jobs.")
	f.read = func(out chan<- prometheus.Metric) {
		j := read()
		commits(out, float64(j.Commits))
		failures(out, float64(j.Failures))
		operations(out, float64(j.Operations))
		refused(out, float64(j.Refused))
		queued(out, float64(j.Queued))
		commitTime(out, j.CommitTime)
		batchSize(out, j.BatchSize)
		stored(out, float64(j.Stored))
		ballast(out, truth(j.BallastGone))
	}
	return f
}

// Lookup is what has to be looked up in the journal, and on its disk. Times are zero where there is nothing.
type Lookup struct {
	FileBytes, WALBytes int64
	FreeBytes           int64 // of the file system

	Accepted, Running int64 // jobs
	OldestAccepted    time.Time

	Pending, Dead int64 // callbacks
	OldestPending time.Time
}

func lookupFigures(l *lookup) *figures {
	f := new(figures)
	file := f.gauge("journal_file_bytes", "Size of the journal's file, without outputs that have files of their own.")
	wal := f.gauge("journal_wal_bytes", "Size of the journal's write-ahead log.")
	free := f.gauge("journal_disk_free_bytes", "Free space of the file system that the journal is on.")
	jobs := f.gauge("journal_jobs", "Jobs in the journal that have not ended, by status.", "status")
	oldestJob := f.gauge("journal_oldest_accepted_seconds", "How long ago the job was accepted that waits longest; 0 if none waits.")
	pending := f.gauge("callbacks_pending", "Callbacks that are not delivered yet.")
	dead := f.gauge("callbacks_dead", "Callbacks that were given up and are still kept.")
	oldest := f.gauge("callbacks_oldest_pending_seconds", "How long ago the job ended whose callback waits longest; 0 if none waits.")
	f.read = func(out chan<- prometheus.Metric) {
		g, ok := l.get()
		if !ok {
			return // what is not known is not told
		}
		file(out, float64(g.FileBytes))
		wal(out, float64(g.WALBytes))
		free(out, float64(g.FreeBytes))
		jobs(out, float64(g.Accepted), "accepted")
		jobs(out, float64(g.Running), "running")
		oldestJob(out, age(g.OldestAccepted))
		pending(out, float64(g.Pending))
		dead(out, float64(g.Dead))
		oldest(out, age(g.OldestPending))
	}
	return f
}
