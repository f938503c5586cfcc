package journal

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"

	"modernc.org/sqlite"
)

// statements are the prepared statements of the writing connection, and what the transaction under way makes of what is counted. They belong to the
// writer goroutine.
type statements struct {
	counts  counts
	nonces  usedNonces
	touched bool // something was changed
	shrinks bool // the file can
	shrunk  bool // it did, and the WAL should be copied into it

	begin, commit, rollback        *sql.Stmt
	savepoint, release, rollbackTo *sql.Stmt
	beat, reusable, note           *sql.Stmt
	pages, vacuum, checkpoint      *sql.Stmt

	insertNonce, insertNonces, raiseFloor, dropNonce *sql.Stmt

	insertJob, insertLabel, jobState, redecideJob, beginJob, finishJob, insertOutput *sql.Stmt
	insertDelivery, deliveryState, settleDelivery, retryDelivery                     *sql.Stmt
	jobSize, jobFiles, dropLabels, dropDeliveries, dropOutput, dropJob               *sql.Stmt

	insertLeaf, insertLeaves, insertHashes, insertManyHashes, insertCheckpoint *sql.Stmt

	all []*sql.Stmt
}

// counts is what the writer knows without reading. A transaction that is rolled back takes its changes back.
type counts struct {
	tree   tree
	floor  int64 // at or before which nothing may be signed, see PruneNonces
	stored int64 // bytes of all jobs, see Retention
	noted  bool  // stored stands in the journal

	counted bool // stored is of all jobs, and not only of what was written since the start; see count
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
		{&st.note, "UPDATE meta SET stored = ?"},
		{&st.pages, "SELECT freelist_count, page_count FROM pragma_freelist_count, pragma_page_count"},
		{&st.checkpoint, "PRAGMA wal_checkpoint(PASSIVE)"}, // which waits for nobody
		{&st.vacuum, "PRAGMA incremental_vacuum(" + strconv.Itoa(shrinkPages) + ")"},

		{&st.insertNonce, rowsText("nonce (nonce, client, signed_at, expires)", 4, 1)},
		{&st.insertNonces, rowsText("nonce (nonce, client, signed_at, expires)", 4, noncesAtOnce)},
		{&st.raiseFloor, "UPDATE meta SET floor = max(floor, ?)"},
		{&st.dropNonce, "DELETE FROM nonce WHERE seq = ? AND nonce = ?"},

		{&st.insertJob, `INSERT INTO job
			(id, client, decision_id, status, accepted_at, expires, started_at, revision, callback, command, request, spec)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&st.insertLabel, "INSERT INTO job_label (name, value, job) VALUES (?, ?, ?)"},
		{&st.jobState, "SELECT seq, status, coalesce(octet_length(spec), 0) FROM job WHERE id = ?"},
		{&st.redecideJob, "UPDATE job SET decision_id = ?, revision = ?, spec = ? WHERE seq = ?"},
		{&st.beginJob, "UPDATE job SET status = 'running', started_at = ? WHERE seq = ?"},
		{&st.finishJob, `UPDATE job SET status = ?, ended_at = ?, exit_code = ?, signal = ?, reason = ?, duration = ?, result = ? WHERE seq = ?`},
		{&st.insertOutput, `INSERT INTO output
			(job, stdout_bytes, stdout_truncated, stdout_sha256, stdout, stdout_file, stdout_size,
			stderr_bytes, stderr_truncated, stderr_sha256, stderr, stderr_file, stderr_size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},

		{&st.insertDelivery, `INSERT INTO outbox (delivery_id, job, state, created_at, next_at, destination, url, body, body_file, body_size, body_sha256)
			VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&st.deliveryState, "SELECT seq, state, body_file, coalesce(body_size, octet_length(body), 0) FROM outbox WHERE delivery_id = ?"},
		{&st.settleDelivery, `UPDATE outbox SET state = ?, attempt = ?, next_at = ?, settled_at = ?, status_code = ?, last_error = ?,
			changes = ?, body = iif(?8, NULL, body), body_file = iif(?8, NULL, body_file), body_size = iif(?8, NULL, body_size) WHERE seq = ?9`},

		{&st.retryDelivery, `UPDATE outbox SET state = 'pending', next_at = ?1, since = ?1, earlier = attempt, settled_at = NULL
			WHERE delivery_id = ?2 AND state <> 'delivered' RETURNING destination`},

		{&st.jobSize, `SELECT id, octet_length(command) + coalesce(octet_length(request), 0) + coalesce(octet_length(spec), 0) + coalesce(octet_length(result), 0)
			+ coalesce((SELECT coalesce(stdout_size, octet_length(stdout), 0) + coalesce(stderr_size, octet_length(stderr), 0) FROM output WHERE job = job.seq), 0)
			+ coalesce((SELECT sum(coalesce(body_size, octet_length(body), 0)) FROM outbox WHERE job = job.seq), 0)
			FROM job WHERE seq = ? AND ended_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM outbox WHERE job = job.seq AND state = 'pending')`},
		{&st.jobFiles, `SELECT stdout_file FROM output WHERE job = ?1 AND stdout_file IS NOT NULL
			UNION ALL SELECT stderr_file FROM output WHERE job = ?1 AND stderr_file IS NOT NULL
			UNION ALL SELECT body_file FROM outbox WHERE job = ?1 AND body_file IS NOT NULL`},
		{&st.dropLabels, "DELETE FROM job_label WHERE job = ?"},
		{&st.dropDeliveries, "DELETE FROM outbox WHERE job = ? AND state <> 'pending'"},
		{&st.dropOutput, "DELETE FROM output WHERE job = ?"},
		{&st.dropJob, "DELETE FROM job WHERE seq = ? AND ended_at IS NOT NULL"},

		{&st.insertLeaf, rowsText("audit (seq, leaf)", 2, 1)},
		{&st.insertLeaves, rowsText("audit (seq, leaf)", 2, leavesAtOnce)},
		{&st.insertHashes, rowsText("audit_hash (seq, hashes)", 2, 1)},
		{&st.insertManyHashes, rowsText("audit_hash (seq, hashes)", 2, leavesAtOnce)},
		{&st.insertCheckpoint, "INSERT INTO checkpoint (size, at, note) VALUES (?, ?, ?)"},
	} {
		stmt, err := conn.PrepareContext(ctx, p.text)
		if err != nil {
			return st, err
		}
		*p.stmt, st.all = stmt, append(st.all, stmt)
	}
	return st, nil
}

// rowsText is a statement that stores n rows of so many columns. When one of them cannot be, the transaction is lost, and not only the statement: so
// SQLite need not keep what it would take to undo just that.
func rowsText(into string, columns, n int) string {
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	return "INSERT OR FAIL INTO " + into + " VALUES " + row + strings.Repeat(", "+row, n-1)
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

// exec runs a statement for its effect.
func (st *statements) exec(stmt *sql.Stmt, args ...any) error {
	_, err := st.change(stmt, args...)
	return err
}

// change runs a statement for its effect and tells what that was. There is no context: what is in a transaction is finished, not interrupted. Every change
// goes through here, or notes that there was one.
func (st *statements) change(stmt *sql.Stmt, args ...any) (sql.Result, error) {
	r, err := stmt.Exec(args...)
	if err == nil {
		st.touched = true
	}
	return r, err
}

// untouched tells whether a refused operation has left nothing behind: it changed nothing before it was refused, and the refusal is no error of SQLite's,
// after some of which there is no transaction any more. A violated constraint undoes just its own statement.
func (st *statements) untouched(refusal error) bool {
	_, failed := errors.AsType[*sqlite.Error](refusal)
	return !st.touched && (!failed || isDuplicate(refusal))
}

// reusableBytes returns how much room the journal has inside its own file: pages that nothing is stored in any more.
func (st *statements) reusableBytes() (n int64, err error) {
	err = st.reusable.QueryRow().Scan(&n)
	return n, err
}
