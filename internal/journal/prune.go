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

	// Leaf makes what the audit says of jobs that are forgotten, by their IDs, of which there are at most 256. It is committed with their removal, so that
	// nothing else explains why a job is missing. It is called while others wait. nil means no leaf.
	Leaf func(jobs []string) []byte
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
	if r.MaxBytes > 0 {
		select {
		case <-j.count.done:
		case <-ctx.Done():
			return all, wrap("prune", ctx.Err())
		}
	}
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
	var files, ids []string
	o := op{name: "prune", run: func(st *statements) error {
		n, pruned, files, ids = 0, Pruned{}, nil, nil
		for _, job := range jobs {
			old := !r.EndedBefore.IsZero() && job.endedAt < r.EndedBefore.UnixMicro()
			much := r.MaxBytes > 0 && st.counts.counted && st.counts.stored > r.MaxBytes
			if !old && !much || pruned.Bytes > maxBatchBytes {
				break
			}
			gone, ok, err := st.drop(job.seq)
			if err != nil {
				return err
			}
			if n++; ok {
				pruned.Jobs, pruned.Bytes, files, ids = pruned.Jobs+1, pruned.Bytes+gone.size, append(files, gone.files...), append(ids, gone.id)
			}
		}
		return nil
	}}
	if r.Leaf != nil {
		o.after = func() ([]leaf, error) {
			if len(ids) == 0 {
				return nil, nil
			}
			return newLeaves(r.Leaf(ids))
		}
	}
	err = j.writer.do(ctx, o)
	if err != nil {
		return 0, Pruned{}, err
	}
	j.spool.remove(files...)
	return n, pruned, nil
}

// forgotten is a job that was removed.
type forgotten struct {
	id    string
	size  int64
	files []string // that belong to it
}

// drop removes one job, unless it has to stay, because its callback was asked for again.
func (st *statements) drop(seq int64) (gone forgotten, ok bool, err error) {
	err = st.jobSize.QueryRow(seq).Scan(&gone.id, &gone.size)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return forgotten{}, false, nil
	case err != nil:
		return forgotten{}, false, err
	}
	rows, err := st.jobFiles.Query(seq)
	if err != nil {
		return forgotten{}, false, err
	}
	gone.files, err = collect(rows, func(row scanner) (name string, err error) {
		err = row.Scan(&name)
		return name, err
	})
	if err != nil {
		return forgotten{}, false, err
	}
	for _, stmt := range []*sql.Stmt{st.dropLabels, st.dropDeliveries, st.dropOutput, st.dropJob} {
		if err := st.exec(stmt, seq); err != nil {
			return forgotten{}, false, err
		}
	}
	st.counts.stored -= gone.size
	return gone, true, nil
}
