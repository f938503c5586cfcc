package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/journal"
)

// jobsJournal writes a journal of six jobs as a gateway does: job-0 was forgotten, job-1 to job-3 have ended, job-4 runs after it was decided again, job-5
// waits. The output of job-3 is in a file.
func jobsJournal(t *testing.T, dir string) {
	t.Helper()
	ctx := t.Context()
	j, err := journal.Open(ctx, journal.Config{Dir: dir, LowWater: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	key, err := audit.OpenKey(dir, "web-1")
	if err != nil {
		t.Fatal(err)
	}
	at := func(seconds int) time.Time { return time.Date(2026, 3, 1, 12, 0, seconds, 0, time.UTC) }
	for i := range 6 {
		row := &journal.NewJob{ID: fmt.Sprintf("job-%d", i), Client: "func", DecisionID: fmt.Sprintf("d-%d", i), Command: "uptime", Request: []byte(`{"n":1}`), Spec: []byte(`{"s":1}`), AcceptedAt: at(i)}
		admitted := audit.Leaf{Type: audit.Admitted, Time: at(i), Job: row.ID, Client: row.Client, Command: row.Command, Decision: row.DecisionID,
			Request: key.Digest("request", row.Request), Spec: key.Digest("spec", row.Spec)}
		if err := j.Admit(ctx, journal.Admission{At: at(i), Job: row, Leaves: [][]byte{admitted.Encode()}}); err != nil {
			t.Fatal(err)
		}
		if i == 5 {
			break
		}
		start := journal.Start{JobID: row.ID, At: at(i)}
		started := audit.Leaf{Type: audit.Started, Time: at(i), Job: row.ID}
		if i == 4 {
			start.DecisionID, start.Revision, start.Spec = "d-again", "r2", []byte(`{"s":2}`)
			started.Decision, started.Spec = start.DecisionID, key.Digest("spec", start.Spec)
		}
		start.Leaf = started.Encode()
		if err := j.Begin(ctx, start); err != nil {
			t.Fatal(err)
		}
		if i == 4 {
			continue
		}
		out := []byte("load average: 0.85\n")
		if i == 3 {
			out = bytes.Repeat(out, 10_000)
		}
		o := journal.Outcome{JobID: row.ID, Status: journal.Exited, ExitCode: 3, At: at(i), Duration: time.Second, Result: []byte("{}"),
			Stdout: journal.Stream{Content: journal.Bytes(out), Bytes: int64(len(out))}}
		o.Leaf = func(kept journal.Output) ([]byte, error) {
			stored := func(s journal.StoredStream) *audit.Stream {
				return &audit.Stream{Bytes: s.Bytes, SHA256: hex.EncodeToString(s.SHA256[:])}
			}
			return audit.Leaf{Type: audit.Ended, Time: o.At, Job: o.JobID, Status: "exited", ExitCode: &o.ExitCode, Micros: o.Duration.Microseconds(),
				Result: key.Digest("result", o.Result), Stdout: stored(kept.Stdout), Stderr: stored(kept.Stderr)}.Encode(), nil
		}
		if err := j.Finish(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := j.Prune(ctx, journal.Retention{EndedBefore: at(1), Leaf: func(jobs []string) []byte {
		return audit.Leaf{Type: audit.Pruned, Time: at(9), Count: int64(len(jobs)), Jobs: jobs}.Encode()
	}})
	if err != nil || gone.Jobs != 1 {
		t.Fatalf("%+v, %v", gone, err)
	}
}

// verifyJobs answers what `sidegate audit verify` says of the jobs in dir.
func verifyJobs(ctx context.Context, dir string) (*audit.Report, error) {
	r, err := journal.OpenReadOnly(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	source, log, err := auditSource(ctx, r)
	if err != nil {
		return nil, err
	}
	var remark string
	source.Records, remark = auditRecords(r, log, dir)
	keys, err := audit.ReadKeys(dir)
	if err != nil {
		return nil, err
	}
	report, err := audit.Verify(ctx, source, audit.Expect{Keys: keys})
	if err != nil {
		return nil, err
	}
	report.Remarks = nil // those on the log, which nobody has signed
	if remark != "" {
		report.Remarks = []string{remark}
	}
	return report, nil
}

// TestTamperedRecordsAreNamed: what is done to the stored jobs and outputs, and not to the log, is found and named.
func TestTamperedRecordsAreNamed(t *testing.T) {
	t.Parallel()
	original := t.TempDir()
	jobsJournal(t, original)
	spooled := func(w *tampered) string {
		files, err := filepath.Glob(filepath.Join(w.dir, "spool", "*"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		return files[0]
	}
	const unlogged = "is stored, and no leaf says that it was admitted, or one says that it was forgotten"
	for _, test := range []struct {
		name, do string
		also     func(*tampered)
		want     []string
	}{
		{name: "untouched"},
		{name: "status", do: "UPDATE job SET status = 'killed' WHERE id = 'job-1'", want: []string{"job job-1: what is stored as its status is not what leaf 5 says"}},
		{name: "several", do: "UPDATE job SET exit_code = 0, signal = 'TERM', reason = 'x', duration = 1, result = NULL WHERE id = 'job-1'",
			want: []string{"job job-1: what is stored as its exit code, signal, reason, duration, result is not what leaf 5 says"}},
		{name: "request", do: "UPDATE job SET client = 'agent', command = 'id', request = x'7b7d' WHERE id = 'job-2'",
			want: []string{"job job-2: what is stored as its client, command, request is not what leaf 6 says"}},
		{name: "decision", do: "UPDATE job SET decision_id = 'd-0', spec = x'7b7d' WHERE id = 'job-2'",
			want: []string{"job job-2: what is stored as its decision, spec is not what leaf 8 says"}},
		{name: "decision of a running job", do: "UPDATE job SET decision_id = 'd-4' WHERE id = 'job-4'", want: []string{"job job-4: what is stored as its decision is not what leaf 12 says"}},
		{name: "swapped", do: "UPDATE job SET id = 'x' WHERE id = 'job-1'; UPDATE job SET id = 'job-1' WHERE id = 'job-3'; UPDATE job SET id = 'job-3' WHERE id = 'x'",
			want: []string{"job job-1: what is stored as its decision, stdout is not what leaf 5 says", "job job-3: what is stored as its decision, stdout is not what leaf 11 says"}},
		{name: "an end that was not", do: "UPDATE job SET status = 'exited', ended_at = 1 WHERE id = 'job-4'", want: []string{"job job-4 is stored as exited, and no leaf says that it ended"}},
		{name: "an end undone", do: "UPDATE job SET status = 'running', ended_at = NULL WHERE id = 'job-1'", want: []string{"job job-1: what is stored as its status is not what leaf 5 says"}},
		{name: "dropped", do: "DELETE FROM output WHERE job = 2; DELETE FROM job WHERE id = 'job-1'",
			want: []string{"job job-1, which leaf 3 admitted, is not stored, and no leaf says that it was forgotten"}},
		{name: "dropped before it ran", do: "DELETE FROM job WHERE id = 'job-5'", want: []string{"job job-5, which leaf 14 admitted, is not stored, and no leaf says that it was forgotten"}},
		{name: "renamed", do: "UPDATE job SET id = 'job-9' WHERE id = 'job-1'",
			want: []string{"job job-1, which leaf 3 admitted, is not stored, and no leaf says that it was forgotten", "job job-9 " + unlogged}},
		{name: "made up", do: "INSERT INTO job (id, client, decision_id, status, accepted_at, revision, callback, command) VALUES ('job-7', 'func', 'd', 'accepted', 1, '', '', 'id')",
			want: []string{"job job-7 " + unlogged}},
		{name: "brought back", do: "INSERT INTO job (id, client, decision_id, status, accepted_at, revision, callback, command) VALUES ('job-0', 'func', 'd', 'accepted', 1, '', '', 'id')",
			want: []string{"job job-0: what is stored as its command, request is not what leaf 0 says",
				"job job-0: what is stored as its decision, spec, status, exit code, duration, result, stdout, stderr is not what leaf 2 says", "job job-0 " + unlogged}},
		{name: "output", do: "UPDATE output SET stdout = CAST('load average: 9.99' || char(10) AS BLOB) WHERE job = 2",
			want: []string{"job job-1: its stored stdout was changed or is lost: it does not match its digest"}},
		{name: "output with its digest", do: "UPDATE output SET stdout = x'', stdout_bytes = 0, stdout_sha256 = x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' WHERE job = 2",
			want: []string{"job job-1: what is stored as its stdout is not what leaf 5 says"}},
		{name: "output dropped", do: "DELETE FROM output WHERE job = 2", want: []string{"job job-1: what is stored as its stdout, stderr is not what leaf 5 says"}},
		{name: "spooled output", also: func(w *tampered) {
			f, err := os.OpenFile(spooled(w), os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteAt([]byte{'L'}, 70_000)
				err = errors.Join(err, f.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
		}, want: []string{"job job-3: its stored stdout was changed or is lost: journal: verify: the journal is damaged: a stored content does not match its digest"}},
		{name: "spooled output removed", also: func(w *tampered) { _ = os.Remove(spooled(w)) },
			want: []string{"job job-3: its stored stdout was changed or is lost: journal: output: the journal is damaged: a file of the folder spool is missing"}},
		{name: "log changed too", do: "DELETE FROM audit WHERE seq = 3", want: []string{"leaf 3 is missing"}},
	} {
		w := &tampered{T: t, dir: t.TempDir()}
		if err := os.CopyFS(w.dir, os.DirFS(original)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(w.dir, audit.PrivateFile), 0o600); err != nil {
			t.Fatal(err)
		}
		if test.do != "" {
			w.change(strings.Split("PRAGMA foreign_keys = OFF; "+test.do, "; ")...)
		}
		if test.also != nil {
			test.also(w)
		}
		report, err := verifyJobs(t.Context(), w.dir)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		var got []string
		for i, f := range report.Findings {
			text := f.Text
			if i < len(test.want) && strings.HasPrefix(text, test.want[i]+":") { // the system's word for it
				text = test.want[i]
			}
			got = append(got, text)
		}
		if !slices.Equal(got, test.want) || len(report.Remarks) > 0 {
			t.Errorf("%s:\ngot  %s\nwant %s\nremarks %q", test.name, strings.Join(got, "\n     "), strings.Join(test.want, "\n     "), report.Remarks)
		}
		if test.name == "untouched" && report.Jobs != 5 {
			t.Errorf("%d jobs were compared", report.Jobs)
		}
	}
}

// TestRecordsWithoutKey: without the private key, and after it was replaced, what needs it is left out, and that is said.
func TestRecordsWithoutKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	jobsJournal(t, dir)
	w := &tampered{T: t, dir: dir}
	w.change("UPDATE job SET request = x'7b7d', exit_code = 0 WHERE id = 'job-1'")
	private := filepath.Join(dir, audit.PrivateFile)
	if err := os.Remove(private); err != nil {
		t.Fatal(err)
	}
	check := func(remark string) {
		t.Helper()
		report, err := verifyJobs(t.Context(), dir)
		if err != nil || len(report.Findings) != 1 || !strings.Contains(report.Findings[0].Text, "its exit code is not") ||
			len(report.Remarks) != 1 || !strings.Contains(report.Remarks[0], remark) {
			t.Errorf("%+v, %v", report, err)
		}
	}
	check("there is no audit.key beside the journal")
	if _, err := audit.OpenKey(dir, "web-1"); err != nil {
		t.Fatal(err)
	}
	check("audit.pub lists more than one key")
}

// TestRecordsBesideAGateway: jobs that end, and are forgotten, while they are compared are no findings.
func TestRecordsBesideAGateway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	jobsJournal(t, dir)
	j, err := journal.Open(t.Context(), journal.Config{Dir: dir, LowWater: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for range 300 { // enough for the first jobs to be looked up before the end of the log
		if err := j.Record(t.Context(), audit.Leaf{Type: audit.Started, Time: time.Now(), Job: "another"}.Encode()); err != nil {
			t.Fatal(err)
		}
	}
	r, err := journal.OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	source, log, err := auditSource(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	records, _ := auditRecords(r, log, dir)
	find := records.Find
	records.Find = func(ctx context.Context, ids []string) ([]audit.Record, error) {
		found, err := find(ctx, ids)
		looked++
		for _, job := range []string{"job-4", "job-5"} { // between what was looked up and the moment at which the rest is
			status, leaf := journal.Killed, audit.Leaf{Type: audit.Ended, Time: time.Now(), Job: job, Status: "killed", ExitCode: new(0)}
			o := journal.Outcome{JobID: job, Status: status, At: time.Now(), Leaf: func(kept journal.Output) ([]byte, error) {
				none := &audit.Stream{SHA256: hex.EncodeToString(kept.Stdout.SHA256[:])}
				leaf.Stdout, leaf.Stderr = none, none
				return leaf.Encode(), nil
			}}
			err = errors.Join(err, j.Finish(ctx, o))
		}
		_, pruned := j.Prune(ctx, journal.Retention{EndedBefore: time.Date(2026, 3, 1, 12, 0, 3, 0, time.UTC), Leaf: func(jobs []string) []byte {
			return audit.Leaf{Type: audit.Pruned, Time: time.Now(), Count: int64(len(jobs)), Jobs: jobs}.Encode()
		}})
		return found, errors.Join(err, pruned)
	}
	source.Records = records
	keys, err := audit.ReadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(t.Context(), source, audit.Expect{Keys: keys})
	if err != nil || len(report.Findings) > 0 || looked != 1 {
		t.Errorf("%d times looked up: %+v, %v", looked, report, err)
	}
}
