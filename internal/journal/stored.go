package journal

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// loadNote learns how many bytes are stored of jobs, if there are none or the last gateway made a note of it when it closed the journal.
func (c *counts) loadNote(ctx context.Context, conn *sql.Conn) error {
	var (
		noted sql.NullInt64
		some  bool
	)
	if err := conn.QueryRowContext(ctx, "SELECT stored, EXISTS (SELECT 1 FROM job) FROM meta").Scan(&noted, &some); err != nil {
		return err
	}
	c.stored, c.noted, c.counted = noted.Int64, noted.Valid, noted.Valid || !some
	return nil
}

// count is the counting of what is stored, after a gateway that left no note. It takes about a second for a million jobs, and nobody but Prune needs it, so it
// goes on beside everything else: what is written meanwhile is added to 0, and what there was at first to that.
type count struct {
	first *sql.Tx       // sees what there was at first
	done  chan struct{} // closed when it is known, or will not be
}

// beginCount has to come before anything is written. first must be rolled back.
func (j *Journal) beginCount() error {
	j.count.done = make(chan struct{})
	if j.writer.st.counts.counted {
		close(j.count.done)
		return nil
	}
	tx, err := j.db.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	var floor int64 // what is read first decides what the rest of the transaction sees
	if err := tx.QueryRow("SELECT floor FROM meta").Scan(&floor); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	j.count.first = tx
	return nil
}

// finishCount counts what there was at first.
func (j *Journal) finishCount(ctx context.Context) {
	if j.count.first == nil {
		return
	}
	defer close(j.count.done)
	var stored int64
	err := j.count.first.QueryRowContext(ctx, countStored).Scan(&stored)
	if err := errors.Join(err, j.count.first.Rollback()); err != nil {
		if ctx.Err() == nil {
			j.log.Warn("what is stored of jobs could not be counted: none are forgotten because of their size, until the next start", "error", err)
		}
		return
	}
	for {
		err := j.writer.do(ctx, op{name: "count", run: func(st *statements) error {
			st.counts.stored, st.counts.counted = st.counts.stored+stored, true
			return nil
		}})
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// countStored counts what every operation adds to counts.stored or takes from it.
const countStored = `SELECT
	(SELECT coalesce(sum(octet_length(command) + coalesce(octet_length(request), 0) + coalesce(octet_length(spec), 0) + coalesce(octet_length(result), 0)), 0) FROM job)
	+ (SELECT coalesce(sum(coalesce(stdout_size, octet_length(stdout), 0) + coalesce(stderr_size, octet_length(stderr), 0)), 0) FROM output)
	+ (SELECT coalesce(sum(coalesce(body_size, octet_length(body), 0)), 0) FROM outbox)`

// noteStored leaves the note, when nothing more is written.
func (w *writer) noteStored() {
	if w.st.counts.noted || !w.st.counts.counted {
		return
	}
	err := w.st.exec(w.st.begin)
	if err == nil {
		err = w.st.exec(w.st.note, w.st.counts.stored)
	}
	if err == nil {
		err = w.st.exec(w.st.commit)
	}
	if err != nil {
		w.rollback(w.st.counts)
		w.log.Debug("journal: what is stored is counted at the next start", "error", err)
	}
}
