package journal

import (
	"context"
	"database/sql"
	"errors"
)

// statements are the prepared statements of the writing connection. They belong to the writer goroutine.
type statements struct {
	begin, commit, rollback        *sql.Stmt
	savepoint, release, rollbackTo *sql.Stmt
	beat, reusable                 *sql.Stmt

	useNonce, knowsNonce                   *sql.Stmt
	newestExpired, raiseFloor, dropExpired *sql.Stmt

	insertJob, jobState, redecideJob, beginJob, finishJob, insertOutput *sql.Stmt
	insertDelivery, deliveryState, settleDelivery                       *sql.Stmt
	prunable, dropDeliveries, dropOutput, dropJob                       *sql.Stmt

	all []*sql.Stmt
}

// prepare compiles every statement. The caller closes them, also after an error.
func prepare(ctx context.Context, conn *sql.Conn) (*statements, error) {
	st := new(statements)
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&st.begin, "BEGIN IMMEDIATE"},
		{&st.commit, "COMMIT"},
		{&st.rollback, "ROLLBACK"},
		{&st.savepoint, "SAVEPOINT op"},
		{&st.release, "RELEASE op"},
		{&st.rollbackTo, "ROLLBACK TO op"},
		{&st.beat, "UPDATE meta SET beat = beat + 1"},
		{&st.reusable, "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size"},

		{&st.useNonce, `INSERT INTO nonce (value, client, signed_at, expires)
			SELECT ?, ?, ?, ? WHERE ? > (SELECT floor FROM meta) ON CONFLICT DO NOTHING`},
		{&st.knowsNonce, "SELECT EXISTS (SELECT 1 FROM nonce WHERE value = ?)"},
		{&st.newestExpired, `SELECT max(signed_at), count(*) FROM
			(SELECT signed_at FROM nonce WHERE value IN (SELECT value FROM nonce WHERE expires < ? ORDER BY expires, value LIMIT ?))`},
		{&st.raiseFloor, "UPDATE meta SET floor = max(floor, ?)"},
		{&st.dropExpired, "DELETE FROM nonce WHERE value IN (SELECT value FROM nonce WHERE expires < ? ORDER BY expires, value LIMIT ?)"},

		{&st.insertJob, `INSERT INTO job
			(id, client, decision_id, status, accepted_at, expires, started_at, revision, callback, command, request, spec)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&st.jobState, "SELECT seq, status FROM job WHERE id = ?"},
		{&st.redecideJob, "UPDATE job SET decision_id = ?, revision = ?, spec = ? WHERE seq = ?"},
		{&st.beginJob, "UPDATE job SET status = 'running', started_at = ? WHERE seq = ?"},
		{&st.finishJob, `UPDATE job SET status = ?, ended_at = ?, exit_code = ?, signal = ?, reason = ?, duration = ?, result = ? WHERE seq = ?`},
		{&st.insertOutput, `INSERT INTO output
			(job, stdout_bytes, stdout_truncated, stdout_sha256, stdout, stderr_bytes, stderr_truncated, stderr_sha256, stderr)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`},

		{&st.insertDelivery, `INSERT INTO outbox (delivery_id, job, state, created_at, next_at, url, body) VALUES (?, ?, 'pending', ?, ?, ?, ?)`},
		{&st.deliveryState, "SELECT seq, state FROM outbox WHERE delivery_id = ?"},
		{&st.settleDelivery, `UPDATE outbox SET state = ?, attempt = ?, next_at = ?, settled_at = ?, status_code = ?, last_error = ?,
			changes = ?, body = CASE WHEN ? THEN NULL ELSE body END WHERE seq = ?`},

		{&st.prunable, `SELECT seq FROM job WHERE ended_at < ?
			AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.job = job.seq AND state = 'pending') ORDER BY ended_at LIMIT ?`},
		{&st.dropDeliveries, "DELETE FROM outbox WHERE job = ? AND state <> 'pending'"},
		{&st.dropOutput, "DELETE FROM output WHERE job = ?"},
		{&st.dropJob, "DELETE FROM job WHERE seq = ? AND ended_at IS NOT NULL"},
	} {
		stmt, err := conn.PrepareContext(ctx, p.text)
		if err != nil {
			return st, err
		}
		*p.stmt, st.all = stmt, append(st.all, stmt)
	}
	return st, nil
}

// close frees the statements. Statements of a *sql.Conn are not closed with it, and as long as one is open SQLite keeps the files open: the WAL would
// never be brought back into the main file.
func (st *statements) close() error {
	var errs []error
	for _, stmt := range st.all {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// exec runs a statement for its effect. There is no context: what is in a transaction is finished, not interrupted.
func (st *statements) exec(stmt *sql.Stmt, args ...any) error {
	_, err := stmt.Exec(args...)
	return err
}

// reusableBytes returns how much room the journal has inside its own file: pages that nothing is stored in any more.
func (st *statements) reusableBytes() (n int64, err error) {
	err = st.reusable.QueryRow().Scan(&n)
	return n, err
}
