package journal

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"
)

// pruneJobs is how many jobs are dropped per commit at most, so that pruning does not hold up admissions. Fewer are where they are large, see maxBatchBytes.
const pruneJobs = 256

// Retention says which ended jobs are to be forgotten, with their outputs and deliveries.
type Retention struct {
	EndedBefore time.Time // those that ended earlier; the zero time means none
	MaxBytes    int64     // the longest ended ones, until no more than this is stored of all jobs; 0 means no limit
}

// Pruned is what Prune has removed.
type Pruned struct {
	Jobs  int
	Bytes int64
}

// Prune forgets jobs. Those that have not ended, and those with a callback still pending, stay in any case, although they count. What was removed gives its
// room back to the file system, but for some that is kept to be used again. It works in small commits, with others in between: when it fails or ctx ends,
// what it has removed until then stays removed, and is returned.
func (j *Journal) Prune(ctx context.Context, r Retention) (Pruned, error) {
	var all Pruned
	last := endedJob{endedAt: math.MinInt64}
	for {
		jobs, err := j.prunable(ctx, r, last)
		if err != nil {
			return all, wrap("prune", err)
		}
		for rest := jobs; len(rest) > 0; {
			n, pruned, err := j.pruneSome(ctx, r, rest)
			if err != nil {
				return all, err
			}
			all.Jobs, all.Bytes = all.Jobs+pruned.Jobs, all.Bytes+pruned.Bytes
			if n == 0 {
				jobs = nil
				break
			}
			last, rest = rest[n-1], rest[n:]
		}
		if len(jobs) < pruneJobs {
			return all, j.shrink(ctx)
		}
	}
}

// endedJob is a job in the order in which they are forgotten.
type endedJob struct{ endedAt, seq int64 }

// prunable are the jobs that were first to end, behind one, of those that may be forgotten. It reads beside the writer: that there may be many whose
// callback is pending must not hold up others.
func (j *Journal) prunable(ctx context.Context, r Retention, behind endedJob) ([]endedJob, error) {
	before := int64(math.MaxInt64)
	if r.MaxBytes == 0 {
		before = 0
		if !r.EndedBefore.IsZero() {
			before = r.EndedBefore.UnixMicro()
		}
	}
	rows, err := j.db.QueryContext(ctx, `SELECT ended_at, seq FROM job WHERE ended_at < ? AND (ended_at, seq) > (?, ?)
		AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.job = job.seq AND state = 'pending') ORDER BY ended_at, seq LIMIT ?`,
		before, behind.endedAt, behind.seq, pruneJobs)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(row scanner) (e endedJob, err error) {
		err = row.Scan(&e.endedAt, &e.seq)
		return e, err
	})
}

// pruneSome forgets some of these jobs in one commit. It returns how many of them were dealt with: none if the rest may stay.
func (j *Journal) pruneSome(ctx context.Context, r Retention, jobs []endedJob) (n int, pruned Pruned, err error) {
	var files []string
	err = j.writer.do(ctx, op{name: "prune", run: func(st *statements) error {
		n, pruned, files = 0, Pruned{}, nil
		for _, job := range jobs {
			old := !r.EndedBefore.IsZero() && job.endedAt < r.EndedBefore.UnixMicro()
			much := r.MaxBytes > 0 && st.counts.stored > r.MaxBytes
			if !old && !much || pruned.Bytes > maxBatchBytes {
				break
			}
			size, names, err := st.drop(job.seq)
			if err != nil {
				return err
			}
			if n++; size >= 0 {
				pruned.Jobs, pruned.Bytes, files = pruned.Jobs+1, pruned.Bytes+size, append(files, names...)
			}
		}
		return nil
	}})
	if err != nil {
		return 0, Pruned{}, err
	}
	j.spool.remove(files...)
	return n, pruned, nil
}

// drop removes one job, and returns its size and the files that belong to it; or a negative size if it has to stay, because its callback was asked for
// again.
func (st *statements) drop(seq int64) (size int64, files []string, err error) {
	err = st.jobSize.QueryRow(seq).Scan(&size)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return -1, nil, nil
	case err != nil:
		return 0, nil, err
	}
	rows, err := st.jobFiles.Query(seq)
	if err != nil {
		return 0, nil, err
	}
	files, err = collect(rows, func(row scanner) (name string, err error) {
		err = row.Scan(&name)
		return name, err
	})
	if err != nil {
		return 0, nil, err
	}
	for _, stmt := range []*sql.Stmt{st.dropLabels, st.dropDeliveries, st.dropOutput, st.dropJob} {
		if err := st.exec(stmt, seq); err != nil {
			return 0, nil, err
		}
	}
	st.counts.stored -= size
	return size, files, nil
}
