package journal

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
)

// Record is all that is stored of a job, but for outputs in files.
type Record struct {
	Job
	Output *Output // nil where nothing is stored of it
	// Stdout and Stderr are the contents. What is in a file is nil here, and OpenOutput reads it.
	Stdout, Stderr         []byte
	StdoutFile, StderrFile bool
}

// Records returns what is stored of some jobs, at most 1,000, each with up to 128 KiB of output, in any order. What is not stored is left out.
func (r *Reader) Records(ctx context.Context, ids []string) ([]Record, error) {
	return records(ctx, r.db, ids)
}

// querier is what a pool and a transaction share.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func records(ctx context.Context, db querier, ids []string) ([]Record, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if len(ids) > maxLeaves {
		return nil, wrap("records", fmt.Errorf("%w: %d jobs at once", ErrInvalid, len(ids)))
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	rows, err := db.QueryContext(ctx, "SELECT "+jobColumns+withPayload+`, stdout_bytes, stdout_truncated, stdout_sha256, stdout_file IS NOT NULL, stdout,
		stderr_bytes, stderr_truncated, stderr_sha256, stderr_file IS NOT NULL, stderr FROM job LEFT JOIN output ON output.job = job.seq WHERE id IN (?`+strings.Repeat(", ?", len(ids)-1)+")", args...)
	if err != nil {
		return nil, wrap("records", err)
	}
	all, err := collect(rows, scanRecord)
	return all, wrap("records", err)
}

func scanRecord(row scanner) (Record, error) {
	var (
		r              Record
		stdout, stderr storedColumns
		err            error
	)
	r.Job, err = scanJob(wider{row, []any{
		&stdout.bytes, &stdout.truncated, &stdout.sha256, &r.StdoutFile, &r.Stdout, &stderr.bytes, &stderr.truncated, &stderr.sha256, &r.StderrFile, &r.Stderr,
	}})
	if err != nil {
		return Record{}, err
	}
	if stdout.bytes.Valid {
		r.Output = &Output{Stdout: stdout.stream(), Stderr: stderr.stream()}
	}
	return r, nil
}

// wider scans further columns behind those that it is asked for.
type wider struct {
	row  scanner
	more []any
}

func (w wider) Scan(dest ...any) error { return w.row.Scan(append(dest, w.more...)...) }

type storedColumns struct {
	bytes     sql.NullInt64
	truncated sql.NullBool
	sha256    []byte
}

// stream describes the content. A digest that is cut off is none, and no content has that.
func (c *storedColumns) stream() StoredStream {
	s := StoredStream{Bytes: c.bytes.Int64, Truncated: c.truncated.Bool}
	if len(c.sha256) == sha256.Size {
		copy(s.SHA256[:], c.sha256)
	}
	return s
}

// Moment is the journal as it is at one moment, for whoever compares its parts. As long as it is open the WAL cannot be taken into the file, and grows
// with what is written. Close it soon. It is not safe for concurrent use.
type Moment struct {
	ctx  context.Context
	conn *sql.Conn
	from int64
}

// Now shows the journal at one moment, and of the audit what came behind this log. ctx bounds the reading too.
func (l *AuditLog) Now(ctx context.Context) (*Moment, error) {
	conn, err := l.r.db.Conn(ctx)
	if err != nil {
		return nil, wrap("moment", err)
	}
	m := &Moment{ctx, conn, l.past}
	var n int64
	if _, err = conn.ExecContext(ctx, "BEGIN"); err == nil {
		err = conn.QueryRowContext(ctx, "SELECT count(*) FROM meta").Scan(&n) // the first reading is the moment
	}
	if err != nil {
		return nil, wrap("moment", errors.Join(err, conn.Close()))
	}
	return m, nil
}

// Close ends it.
func (m *Moment) Close() error {
	_, err := m.conn.ExecContext(context.WithoutCancel(m.ctx), "ROLLBACK")
	return wrap("moment", errors.Join(err, m.conn.Close()))
}

// Records is Reader.Records at this moment.
func (m *Moment) Records(ctx context.Context, ids []string) ([]Record, error) {
	return records(ctx, m.conn, ids)
}

// Leaves are the leaves behind those of the log, in the order of their numbers. Data is valid until the next one.
func (m *Moment) Leaves() iter.Seq2[Leaf, error] {
	return func(yield func(Leaf, error) bool) {
		m.each("SELECT seq, leaf FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?", m.from, func(seq int64, data []byte, err error) bool {
			return yield(Leaf{seq, data}, err)
		})
	}
}

// Jobs are the IDs of all jobs, in the order of their arrival.
func (m *Moment) Jobs() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		m.each("SELECT seq, id FROM job WHERE seq >= ? ORDER BY seq LIMIT ?", math.MinInt64, func(_ int64, id []byte, err error) bool {
			return yield(string(id), err)
		})
	}
}

// each calls yield for the rows of a query until it answers false. It reads in pages, so that yield can read too.
func (m *Moment) each(query string, next int64, yield func(int64, []byte, error) bool) {
	for more, wanted := true, true; more && wanted; {
		rows, err := m.conn.QueryContext(m.ctx, query, next, maxLeaves)
		if err == nil {
			var page []Leaf
			page, err = collect(rows, func(row scanner) (l Leaf, err error) {
				err = row.Scan(&l.Seq, &l.Data)
				return l, err
			})
			for _, l := range page {
				if wanted = yield(l.Seq, l.Data, nil); !wanted {
					return
				}
				next = l.Seq + 1
			}
			more = len(page) == maxLeaves
		}
		if err != nil {
			yield(0, nil, wrap("moment", err))
			return
		}
	}
}
