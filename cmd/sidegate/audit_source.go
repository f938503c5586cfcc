package main

import (
	"context"
	"iter"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/journal"
)

// auditSource shows the audit in a journal, as it is now, to whoever verifies it.
func auditSource(ctx context.Context, r *journal.Reader) (audit.Source, *journal.AuditLog, error) {
	log, err := r.AuditLog(ctx)
	if err != nil {
		return audit.Source{}, nil, err
	}
	return audit.Source{
		Leaves:      turned(log.Leaves(), func(l journal.Leaf) audit.Row { return audit.Row{Seq: l.Seq, Leaf: l.Data} }),
		Hashes:      turned(log.Hashes(), func(h journal.StoredHash) audit.HashRow { return audit.HashRow(h) }),
		Checkpoints: turned(log.Checkpoints(), func(c journal.Checkpoint) audit.Signed { return audit.Signed(c) }),
	}, log, nil
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
