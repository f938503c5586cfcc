package journal

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Status is where a job is in its life: accepted, running, and then one of the final ones.
type Status string

// The statuses of a job.
const (
	Accepted    Status = "accepted"    // promised, not started
	Running     Status = "running"     // its process may exist
	Exited      Status = "exited"      // ended by itself, with an exit code
	Signaled    Status = "signaled"    // ended by a signal that was not ours
	TimedOut    Status = "timed_out"   // ended by us, its time was over
	Killed      Status = "killed"      // ended by us, it was cancelled
	Failed      Status = "failed"      // could not be started
	Interrupted Status = "interrupted" // the gateway ended first
)

// Final tells whether a job with this status has ended.
func (s Status) Final() bool {
	switch s {
	case Exited, Signaled, TimedOut, Killed, Failed, Interrupted:
		return true
	}
	return false
}

// mayBecome is the state machine. Nothing leaves a final status, and nothing runs a second time.
func (s Status) mayBecome(next Status) bool {
	switch s {
	case Accepted:
		return next == Running || next == Failed || next == Interrupted || next == Killed
	case Running:
		return next.Final()
	}
	return false
}

// Job is a job in the journal. Times that have not come are zero.
type Job struct {
	NewJob
	Seq       int64 // order of arrival, for paging
	Status    Status
	StartedAt time.Time
	EndedAt   time.Time
	ExitCode  int
	Signal    string
	Reason    string
	Duration  time.Duration
	Result    []byte
}

// Output describes the output of a job that has ended. OpenOutput reads it.
type Output struct {
	Stdout, Stderr StoredStream
}

// StoredStream is what is stored of one output stream.
type StoredStream struct {
	Bytes     int64             // how many the command wrote
	Size      int64             // how many are stored
	Truncated bool              // not all that it wrote
	SHA256    [sha256.Size]byte // of what is stored
}

const (
	jobColumns = `job.seq, id, client, decision_id, status, accepted_at, expires, started_at, ended_at, exit_code, signal, reason, duration,
		revision, callback, command, (SELECT json_group_object(name, value) FROM job_label WHERE job_label.job = job.seq), `
	withPayload    = "request, spec, result"
	withoutPayload = "NULL, NULL, NULL"
)

// Running returns the jobs that may have a process, in order of arrival: at start, those that a crash interrupted.
func (r *Reader) Running(ctx context.Context) ([]Job, error) { return r.inStatus(ctx, Running) }

// Waiting returns the jobs that were accepted and have not started, in order of arrival.
func (r *Reader) Waiting(ctx context.Context) ([]Job, error) { return r.inStatus(ctx, Accepted) }

func (r *Reader) inStatus(ctx context.Context, s Status) ([]Job, error) {
	rows, err := r.db.QueryContext(ctx, "SELECT "+jobColumns+withPayload+" FROM job WHERE status = ? ORDER BY seq", string(s))
	if err != nil {
		return nil, wrap("jobs", err)
	}
	jobs, err := collect(rows, scanJob)
	return jobs, wrap("jobs", err)
}

// Job returns one job, or ErrNotFound.
func (r *Reader) Job(ctx context.Context, id string) (Job, error) {
	job, err := scanJob(r.db.QueryRowContext(ctx, "SELECT "+jobColumns+withPayload+" FROM job WHERE id = ?", id))
	return job, wrap("job", notFound(err, "job "+id))
}

// Output describes the output of a job that has ended. It answers ErrNotFound for any other.
func (r *Reader) Output(ctx context.Context, id string) (Output, error) {
	row := r.db.QueryRowContext(ctx, `SELECT stdout_bytes, stdout_truncated, stdout_sha256, coalesce(stdout_size, length(stdout), 0),
		stderr_bytes, stderr_truncated, stderr_sha256, coalesce(stderr_size, length(stderr), 0) FROM output JOIN job ON job.seq = output.job WHERE job.id = ?`, id)
	var (
		o              Output
		stdout, stderr []byte
	)
	err := row.Scan(&o.Stdout.Bytes, &o.Stdout.Truncated, &stdout, &o.Stdout.Size, &o.Stderr.Bytes, &o.Stderr.Truncated, &stderr, &o.Stderr.Size)
	if err == nil && (copy(o.Stdout.SHA256[:], stdout) != sha256.Size || copy(o.Stderr.SHA256[:], stderr) != sha256.Size) {
		err = fmt.Errorf("%w: a digest is cut off", ErrCorrupt)
	}
	if err != nil {
		return Output{}, wrap("output", notFound(err, "the output of job "+id))
	}
	return o, nil
}

func scanJob(row scanner) (Job, error) {
	var (
		j                                 Job
		accepted, expires, started, ended nullTime
		duration                          int64
		labels                            string
	)
	err := row.Scan(&j.Seq, &j.ID, &j.Client, &j.DecisionID, &j.Status, &accepted, &expires, &started, &ended, &j.ExitCode, &j.Signal, &j.Reason,
		&duration, &j.Revision, &j.Callback, &j.Command, &labels, &j.Request, &j.Spec, &j.Result)
	if err != nil {
		return Job{}, err
	}
	j.AcceptedAt, j.Expires, j.StartedAt, j.EndedAt = accepted.Time, expires.Time, started.Time, ended.Time
	j.Duration = time.Duration(duration) * time.Microsecond
	j.Labels, err = parseLabels(labels)
	return j, err
}

// scanner is what *sql.Row and *sql.Rows share.
type scanner interface{ Scan(dest ...any) error }

// collect reads all rows and closes them.
func collect[T any](rows *sql.Rows, scan func(scanner) (T, error)) ([]T, error) {
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// notFound turns a missing row into ErrNotFound.
func notFound(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: %s", ErrNotFound, what)
	}
	return err
}
