package journal

import (
	"context"
	"database/sql"
)

// loadStored learns how many bytes are stored of jobs: from a note that the last gateway made when it closed the journal, or by counting. That takes about
// a second for a million jobs.
func (c *counts) loadStored(ctx context.Context, conn *sql.Conn) error {
	var noted sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT stored FROM meta").Scan(&noted); err != nil {
		return err
	}
	if c.stored, c.noted = noted.Int64, noted.Valid; c.noted {
		return nil
	}
	return conn.QueryRowContext(ctx, countStored).Scan(&c.stored)
}

// countStored counts what every operation adds to counts.stored or takes from it.
const countStored = `SELECT
	(SELECT coalesce(sum(octet_length(command) + coalesce(octet_length(request), 0) + coalesce(octet_length(spec), 0) + coalesce(octet_length(result), 0)), 0) FROM job)
	+ (SELECT coalesce(sum(coalesce(stdout_size, octet_length(stdout), 0) + coalesce(stderr_size, octet_length(stderr), 0)), 0) FROM output)
	+ (SELECT coalesce(sum(coalesce(body_size, octet_length(body), 0)), 0) FROM outbox)`

// noteStored leaves the note, when nothing more is written.
func (w *writer) noteStored() {
	if w.st.counts.noted {
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
