package main

import (
	"context"
	"errors"
	"iter"
	"math"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/journal"
)

// auditSource shows the audit in a journal, as it is now, to whoever verifies it.
func auditSource(ctx context.Context, r *journal.Reader) (audit.Source, error) {
	log, last, err := auditLog(ctx, r)
	if err != nil {
		return audit.Source{}, err
	}
	return audit.Source{
		Leaves:      turned(log.Leaves(), func(l journal.Leaf) audit.Row { return audit.Row{Seq: l.Seq, Leaf: l.Data} }),
		Hashes:      turned(log.Hashes(), func(h journal.StoredHash) audit.HashRow { return audit.HashRow(h) }),
		Checkpoints: storedCheckpoints(ctx, r, last),
	}, nil
}

// auditLog returns the log between two checkpoints of a gateway that runs, and the size of the last: one that comes while the log is looked at would be
// there, and its leaf not.
func auditLog(ctx context.Context, r *journal.Reader) (*journal.AuditLog, int64, error) {
	for {
		before, err := lastSize(ctx, r)
		if err != nil {
			return nil, 0, err
		}
		log, err := r.AuditLog(ctx)
		if err != nil {
			return nil, 0, err
		}
		switch after, err := lastSize(ctx, r); {
		case err != nil:
			return nil, 0, err
		case after == before:
			return log, after, nil
		}
	}
}

// lastSize returns the size of the last checkpoint, or 0.
func lastSize(ctx context.Context, r *journal.Reader) (int64, error) {
	last, err := r.LastCheckpoint(ctx)
	if errors.Is(err, journal.ErrNotFound) {
		return 0, nil
	}
	return last.Size, err
}

// storedCheckpoints are those of up to a size, and those of more leaves than there are among them: they show that the log was cut off.
func storedCheckpoints(ctx context.Context, r *journal.Reader, last int64) iter.Seq2[audit.Signed, error] {
	const page = 1000
	return func(yield func(audit.Signed, error) bool) {
		for next, more := int64(math.MinInt64), true; more; {
			rows, err := r.Checkpoints(ctx, next, page)
			if err != nil {
				yield(audit.Signed{}, err)
				return
			}
			for _, row := range rows {
				if row.Size > last || !yield(audit.Signed(row), nil) {
					return
				}
				next = row.Size + 1
			}
			more = len(rows) == page
		}
	}
}

// turned is a sequence of other values.
func turned[From, To any](rows iter.Seq2[From, error], turn func(From) To) iter.Seq2[To, error] {
	return func(yield func(To, error) bool) {
		for row, err := range rows {
			if !yield(turn(row), err) {
				return
			}
		}
	}
}
