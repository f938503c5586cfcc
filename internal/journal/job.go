package journal

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
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

// Output is what is kept of a job's output.
type Output struct {
	Stdout, Stderr Stream
}

const (
	jobColumns = `seq, id, client, decision_id, status, accepted_at, expires, started_at, ended_at, exit_code, signal, reason, duration,
		revision, callback, command, `
	withPayload    = "request, spec, result"
	withoutPayload = "NULL, NULL, NULL"
)

// Running returns the jobs that may have a process, in order of arrival: at start, those that a crash interrupted.
func (j *Journal) Running(ctx context.Context) ([]Job, error) { return j.inStatus(ctx, Running) }

// Waiting returns the jobs that were accepted and have not started, in order of arrival.
func (j *Journal) Waiting(ctx context.Context) ([]Job, error) { return j.inStatus(ctx, Accepted) }

func (j *Journal) inStatus(ctx context.Context, s Status) ([]Job, error) {
	rows, err := j.readers.QueryContext(ctx, "SELECT "+jobColumns+withPayload+" FROM job WHERE status = ? ORDER BY seq", string(s))
	if err != nil {
		return nil, wrap("jobs", err)
	}
	jobs, err := collect(rows, scanJob)
	return jobs, wrap("jobs", err)
}

// Job returns one job, or ErrNotFound.
func (j *Journal) Job(ctx context.Context, id string) (Job, error) {
	job, err := scanJob(j.readers.QueryRowContext(ctx, "SELECT "+jobColumns+withPayload+" FROM job WHERE id = ?", id))
	return job, wrap("job", notFound(err, "job "+id))
}

// Filter selects jobs. Its zero value selects the newest hundred.
type Filter struct {
	Status Status // "" means any
	Client string // "" means any
	Before int64  // only jobs whose Seq is smaller, which is how to ask for the next page; 0 means from the newest
	Limit  int    // 0 means 100; at most 1000 are returned
}

// Jobs lists jobs, newest first, without Request, Spec and Result.
func (j *Journal) Jobs(ctx context.Context, f Filter) ([]Job, error) {
	var s selection
	s.add(f.Status != "", "status = ?", string(f.Status))
	s.add(f.Client != "", "client = ?", f.Client)
	s.add(f.Before != 0, "seq < ?", f.Before)
	rows, err := j.readers.QueryContext(ctx,
		"SELECT "+jobColumns+withoutPayload+" FROM job"+s.where()+" ORDER BY seq DESC LIMIT ?", append(s.args, pageSize(f.Limit))...)
	if err != nil {
		return nil, wrap("jobs", err)
	}
	jobs, err := collect(rows, scanJob)
	return jobs, wrap("jobs", err)
}

// Output returns the output of a job that has ended. It answers ErrNotFound for any other, and ErrCorrupt if the bytes are not those that were stored.
func (j *Journal) Output(ctx context.Context, id string) (Output, error) {
	row := j.readers.QueryRowContext(ctx, `SELECT stdout_bytes, stdout_truncated, stdout_sha256, stdout, stderr_bytes, stderr_truncated, stderr_sha256, stderr
		FROM output JOIN job ON job.seq = output.job WHERE job.id = ?`, id)
	var (
		o              Output
		stdout, stderr []byte
	)
	err := row.Scan(&o.Stdout.Bytes, &o.Stdout.Truncated, &stdout, &o.Stdout.Data, &o.Stderr.Bytes, &o.Stderr.Truncated, &stderr, &o.Stderr.Data)
	if err == nil {
		err = errors.Join(o.Stdout.verify(stdout), o.Stderr.verify(stderr))
	}
	if err != nil {
		return Output{}, wrap("output", notFound(err, "the output of job "+id))
	}
	return o, nil
}

// verify compares the stored digest with the bytes.
func (s *Stream) verify(stored []byte) error {
	s.SHA256 = sha256.Sum256(s.Data)
	if string(stored) != string(s.SHA256[:]) {
		return fmt.Errorf("%w: a stored output does not match its digest", ErrCorrupt)
	}
	return nil
}

func scanJob(row scanner) (Job, error) {
	var (
		j                                 Job
		accepted, expires, started, ended nullTime
		duration                          int64
	)
	err := row.Scan(&j.Seq, &j.ID, &j.Client, &j.DecisionID, &j.Status, &accepted, &expires, &started, &ended, &j.ExitCode, &j.Signal, &j.Reason,
		&duration, &j.Revision, &j.Callback, &j.Command, &j.Request, &j.Spec, &j.Result)
	if err != nil {
		return Job{}, err
	}
	j.AcceptedAt, j.Expires, j.StartedAt, j.EndedAt = accepted.Time, expires.Time, started.Time, ended.Time
	j.Duration = time.Duration(duration) * time.Microsecond
	return j, nil
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

// selection builds a WHERE clause from constant conditions and their arguments.
type selection struct {
	conditions []string
	args       []any
}

func (s *selection) add(wanted bool, condition string, arg any) {
	if wanted {
		s.conditions = append(s.conditions, condition)
		s.args = append(s.args, arg)
	}
}

func (s *selection) where() string {
	if len(s.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(s.conditions, " AND ")
}

// pageSize applies the default and the bound of a listing.
func pageSize(limit int) int {
	if limit <= 0 {
		return 100
	}
	return min(limit, 1000)
}

// notFound turns a missing row into ErrNotFound.
func notFound(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: %s", ErrNotFound, what)
	}
	return err
}
