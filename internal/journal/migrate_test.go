package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// setVersion says in a journal that it has another schema.
func setVersion(t *testing.T, path string, version int) {
	t.Helper()
	db, err := sql.Open("sqlite", writerDSN(path, full))
	must(t, err)
	_, err = db.Exec(fmt.Sprint("PRAGMA user_version = ", version))
	must(t, errors.Join(err, db.Close()))
}

// makeOldJournal makes a journal as an earlier version did, with a job that has ended, one that runs, and a callback that waits.
func makeOldJournal(t *testing.T, dir string, version int) {
	t.Helper()
	path := filepath.Join(dir, fileName)
	must(t, os.WriteFile(path, nil, 0o600))
	db, conn, err := openConn(t.Context(), writerDSN(path, full))
	must(t, err)
	_, err = conn.ExecContext(t.Context(), fmt.Sprint("PRAGMA application_id = ", applicationID))
	must(t, err)
	must(t, migrate(t.Context(), conn, migrations[:version]))
	_, err = conn.ExecContext(t.Context(), `
		INSERT INTO nonce (value, client, signed_at, expires) VALUES (x'000102030405060708090a0b0c0d0e0f', 'func', 1000000, 2000000);
		INSERT INTO job (seq, id, client, decision_id, status, accepted_at, ended_at, revision, callback, command, request, spec, result)
			VALUES (1, 'ended', 'func', 'd1', 'exited', 1000000, 2000000, 'r', 'http://a/', 'true', x'01', x'02', x'726573756c74');
		INSERT INTO job (seq, id, client, decision_id, status, accepted_at, started_at, revision, callback, command, request, spec)
			VALUES (2, 'runs', 'func', 'd2', 'running', 1000000, 1000000, 'r', '', 'sleep 1', x'01', x'02');
		INSERT INTO output (job, stdout_bytes, stdout_truncated, stdout_sha256, stderr_bytes, stderr_truncated, stderr_sha256, stdout, stderr) VALUES (1, 3, FALSE, x'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 0, FALSE,
			x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', x'616263', NULL);`)
	must(t, err)
	if version < 3 { // which had no destinations
		_, err = conn.ExecContext(t.Context(), `INSERT INTO outbox (seq, delivery_id, job, state, created_at, next_at, url, body)
			VALUES (1, 'delivery', 1, 'pending', 2000000, 2000000, 'http://a/', x'626f6479')`)
	} else {
		_, err = conn.ExecContext(t.Context(), `INSERT INTO outbox (seq, delivery_id, job, state, created_at, next_at, destination, url, body)
			VALUES (1, 'delivery', 1, 'pending', 2000000, 2000000, 'http://a', 'http://a/', x'626f6479')`)
	}
	must(t, errors.Join(err, conn.Close(), db.Close()))
}

// A journal of an earlier version is brought forward with all that is in it.
func TestOldJournals(t *testing.T) {
	t.Parallel()
	for version := 1; version < len(migrations); version++ {
		dir := t.TempDir()
		makeOldJournal(t, dir, version)
		j := openTest(t, dir)
		if _, used, err := j.Nonces(t.Context()); err != nil || len(used) != 1 {
			t.Errorf("schema %d: nonces are %v, %v", version, used, err)
		} else {
			wantErr(t, j.Admit(t.Context(), Admission{Nonce: &used[0]}), ErrNonceUsed)
		}
		if job, err := j.Job(t.Context(), "ended"); err != nil || job.Status != Exited || string(job.Result) != "result" {
			t.Errorf("schema %d: the job is %+v, %v", version, job, err)
		}
		if o, err := j.Output(t.Context(), "ended"); err != nil || o.Stdout.Size != 3 || read(t, j.Reader, "ended", Stdout)+read(t, j.Reader, "ended", Stderr) != "abc" {
			t.Errorf("schema %d: its output is %+v, %v", version, o, err)
		}
		if due, _, err := j.Due(t.Context(), "http://a", epoch, 10); err != nil || len(due) != 1 || due[0].BodySize != 4 || readAll(t)(j.OpenBody(t.Context(), "delivery")) != "body" {
			t.Errorf("schema %d: due are %+v, %v", version, due, err)
		}
		if counted, is := stored(t, j); counted != is || is != int64(len("true")+len("sleep 1")+2+2+len("result")+3+4) {
			t.Errorf("schema %d: %d bytes are counted, and there are %d", version, counted, is)
		}
		must(t, j.Finish(t.Context(), Outcome{JobID: "runs", Status: Interrupted, At: epoch, Leaf: func(Output) ([]byte, error) { return []byte("leaf"), nil }}))
		if n, err := j.AuditSize(t.Context()); err != nil || n != 1 {
			t.Errorf("schema %d: the audit has %d leaves, %v", version, n, err)
		}
	}
}
