package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// prune forgets what ended before a time, and returns how many jobs these were.
func prune(tb testing.TB, j *Journal, endedBefore time.Time) int {
	tb.Helper()
	pruned, err := j.Prune(tb.Context(), Retention{EndedBefore: endedBefore})
	must(tb, err)
	return pruned.Jobs
}

// Retention takes what has ended and is told, and nothing else.
func TestPruneJobs(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	ended := func(at time.Time, settle DeliveryState) string {
		id := finishAt(t, j, at)
		if settle != Pending {
			must(t, j.Settle(t.Context(), Settlement{DeliveryID: id, Attempt: 1, State: settle, At: at}))
		}
		return strings.TrimPrefix(id, "c-")
	}
	silent := func(at time.Time) string {
		o := outcome(inState(t, j, Running))
		o.At, o.Callback = at, nil
		must(t, j.Finish(t.Context(), o))
		return o.JobID
	}
	cutoff := epoch.Add(time.Hour)
	gone := []string{ended(epoch, Delivered), ended(epoch, Dead), silent(epoch)}
	stay := []string{ended(epoch, Pending), ended(cutoff, Delivered), silent(cutoff), inState(t, j, Accepted), inState(t, j, Running)}

	if n := prune(t, j, cutoff); n != len(gone) {
		t.Errorf("pruned %d, want %d", n, len(gone))
	}
	for _, id := range gone {
		_, err := j.Job(t.Context(), id)
		wantErr(t, err, ErrNotFound)
	}
	for _, id := range stay {
		if _, err := j.Job(t.Context(), id); err != nil {
			t.Errorf("a job that had to stay: %v", err)
		}
	}
	var outputs, deliveries int
	must(t, j.db.QueryRow("SELECT (SELECT count(*) FROM output), (SELECT count(*) FROM outbox)").Scan(&outputs, &deliveries))
	if outputs != 3 || deliveries != 2 {
		t.Errorf("%d outputs and %d deliveries are left, want 3 and 2", outputs, deliveries)
	}
}

func TestPruneManyJobs(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	const many = 2*pruneJobs + 1
	must(t, j.writer.do(t.Context(), op{name: "fill", run: func(st *statements) error {
		for range many {
			a := admission(fmt.Sprint(nonces.Add(1)))
			a.Begin = true
			o := outcome(a.Job.ID)
			o.Callback = nil
			if err := a.storeJob(st); err != nil {
				return err
			}
			f := finish{Outcome: o}
			if err := errors.Join(f.prepare(j.spool), f.store(st)); err != nil {
				return err
			}
		}
		return nil
	}}))
	if n := prune(t, j, epoch.Add(time.Hour)); n != many {
		t.Errorf("pruned %d, want %d", n, many)
	}
	if jobs, err := j.Jobs(t.Context(), Filter{}); err != nil || len(jobs) != 0 {
		t.Errorf("left are %v, %v", jobs, err)
	}
}

// stored is what the journal counts as stored, and what there is in it.
func stored(tb testing.TB, j *Journal) (counted, is int64) {
	tb.Helper()
	<-j.count.done
	must(tb, j.db.QueryRow(`SELECT
		(SELECT coalesce(sum(octet_length(command) + ifnull(octet_length(request), 0) + ifnull(octet_length(spec), 0) + ifnull(octet_length(result), 0)), 0) FROM job)
		+ (SELECT coalesce(sum(ifnull(octet_length(stdout), 0) + ifnull(stdout_size, 0) + ifnull(octet_length(stderr), 0) + ifnull(stderr_size, 0)), 0) FROM output)
		+ (SELECT coalesce(sum(ifnull(octet_length(body), 0) + ifnull(body_size, 0)), 0) FROM outbox)`).Scan(&is))
	return j.Stats().Stored, is
}

// noted is the note of what is stored, which is there while nobody writes.
func noted(tb testing.TB, j *Journal) (n sql.NullInt64) {
	tb.Helper()
	must(tb, j.db.QueryRow("SELECT stored FROM meta").Scan(&n))
	return n
}

// The count is on record when the journal is closed, and not while it may change; a journal that was not closed is counted anew.
func TestStoredIsNoted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	for range 3 {
		inState(t, j, Exited)
		must(t, j.Writable(t.Context()))
		if n := noted(t, j); n.Valid {
			t.Errorf("%d bytes are noted while jobs are stored", n.Int64)
		}
		want, is := stored(t, j)
		killed := t.TempDir()
		must(t, exec.Command("cp", filepath.Join(dir, fileName), filepath.Join(dir, fileName+"-wal"), killed).Run())
		must(t, j.Close())
		again := openTest(t, killed)
		inState(t, again, Exited) // perhaps before the rest is counted
		if got, now := stored(t, again); got <= want || got != now || want != is {
			t.Errorf("after a crash %d bytes are counted, of %d, and before there were %d, of %d", got, now, want, is)
		}
		j, err = Open(t.Context(), testConfig(dir))
		must(t, err)
		if n := noted(t, j); !n.Valid || n.Int64 != want || j.Stats().Stored != want {
			t.Errorf("%+v are noted and %d counted after %d", n, j.Stats().Stored, want)
		}
	}
	must(t, j.Close())
}

// What is stored is counted to the byte, through everything that can happen to a job.
func TestStoredBytesAreCounted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	check := func(after string) {
		t.Helper()
		if counted, is := stored(t, j); counted != is || counted < 0 {
			t.Fatalf("after %s: %d bytes are counted, and there are %d", after, counted, is)
		}
	}
	sizes := []int{0, 1, 1000, maxInline, maxInline + 1}
	size := func() int { return sizes[rand.IntN(len(sizes))] }
	taken := finishAt(t, j, epoch)
	for i := range 60 {
		id := fmt.Sprint(i)
		a := admission(id)
		a.Job.Command, a.Job.Request, a.Job.Spec = strings.Repeat("中", rand.IntN(9))+"\x00\xff", make([]byte, size()), make([]byte, size())
		must(t, j.Admit(t.Context(), a))
		wantErr(t, j.Admit(t.Context(), a), ErrNonceUsed)
		if i%3 == 0 {
			must(t, j.Begin(t.Context(), Start{JobID: id, At: epoch}))
		} else {
			must(t, j.Begin(t.Context(), Start{JobID: id, At: epoch, DecisionID: "d", Spec: make([]byte, size())}))
		}
		o := outcome(id)
		stdout, stderr := size(), size()
		o.Stdout, o.Stderr = Stream{Content: long{size: stdout}, Bytes: int64(stdout)}, Stream{Content: long{size: stderr}, Bytes: int64(stderr)}
		o.Result, o.Callback.Body = make([]byte, size()), long{size: size()}
		if i%7 == 0 && i > 0 {
			twin := o
			twin.Callback = &Callback{DeliveryID: taken, Destination: "a", URL: "b", Body: long{size: 1000}}
			wantErr(t, j.Finish(t.Context(), twin), ErrExists)
		}
		must(t, j.Finish(t.Context(), o))
		wantErr(t, j.Finish(t.Context(), o), ErrState)
		check("an end")
		for _, state := range [][]DeliveryState{{}, {Pending}, {Pending, Delivered}, {Dead}, {Delivered}}[rand.IntN(5)] {
			must(t, j.Settle(t.Context(), Settlement{DeliveryID: o.Callback.DeliveryID, State: state, NextAt: epoch, At: epoch}))
		}
		check("a settlement")
		if i%10 == 9 {
			if _, err := j.Prune(t.Context(), Retention{MaxBytes: 1 + rand.Int64N(3*maxInline)}); err != nil {
				t.Fatal(err)
			}
			check("pruning")
		}
	}
	must(t, j.Close())
	j = openTest(t, dir)
	check("a restart")
	all, err := j.Deliveries(t.Context(), DeliveryFilter{State: Pending})
	must(t, err)
	for _, d := range all {
		must(t, j.Settle(t.Context(), Settlement{DeliveryID: d.ID, State: Dead, At: epoch}))
	}
	prune(t, j, epoch.Add(time.Hour))
	check("everything is gone")
	if counted, _ := stored(t, j); counted != 0 || len(spooled(t, dir)) != 0 {
		t.Errorf("%d bytes and %d files are left of nothing", counted, len(spooled(t, dir)))
	}
}

// Retention by bytes takes the jobs that ended first, and no more than it has to.
func TestPruneByBytes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openTest(t, dir)
	const each = 100_000
	var ids []string
	for i := range 10 {
		o := outcome(inState(t, j, Running))
		o.At = epoch.Add(time.Duration(10-i) * time.Minute) // the last one ends first
		o.Stdout, o.Callback = Stream{Content: long{size: each}, Bytes: each}, nil
		if i == 9 {
			o.Callback = &Callback{DeliveryID: "pending", Destination: "a", URL: "b"} // and stays
		}
		must(t, j.Finish(t.Context(), o))
		ids = append(ids, o.JobID)
	}
	running := inState(t, j, Running)
	for _, tc := range []struct {
		keep int64
		gone int
	}{{11 * each, 0}, {10*each + 10_000, 0}, {9*each + 10_000, 1}, {7*each + 10_000, 3}, {1, 9}} {
		before, _ := stored(t, j)
		pruned, err := j.Prune(t.Context(), Retention{MaxBytes: tc.keep})
		must(t, err)
		after, _ := stored(t, j)
		if pruned.Bytes != before-after {
			t.Errorf("%d bytes were pruned, it says %d", before-after, pruned.Bytes)
		}
		for i, id := range ids {
			_, err := j.Job(t.Context(), id)
			if gone := i < 9 && i >= 9-tc.gone; gone != errors.Is(err, ErrNotFound) {
				t.Errorf("to %d bytes: job %d: %v", tc.keep, i, err)
			}
		}
		if n := len(spooled(t, dir)); n != 10-tc.gone {
			t.Errorf("to %d bytes: %d files are left", tc.keep, n)
		}
	}
	if _, err := j.Job(t.Context(), running); err != nil {
		t.Error(err)
	}
}

// Both limits together; none at all is no limit.
func TestPruneByAgeAndBytes(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	for i := range 6 {
		o := outcome(inState(t, j, Running))
		o.At, o.Callback, o.Result = epoch.Add(time.Duration(i)*time.Minute), nil, make([]byte, 1000)
		must(t, j.Finish(t.Context(), o))
	}
	left := func() int {
		jobs, err := j.Jobs(t.Context(), Filter{})
		must(t, err)
		return len(jobs)
	}
	for _, tc := range []struct {
		r    Retention
		left int
	}{
		{Retention{}, 6},
		{Retention{EndedBefore: epoch.Add(2 * time.Minute), MaxBytes: 1 << 20}, 4},
		{Retention{EndedBefore: epoch, MaxBytes: 3500}, 3},
		{Retention{EndedBefore: epoch.Add(time.Hour), MaxBytes: 1 << 20}, 0},
	} {
		_, err := j.Prune(t.Context(), tc.r)
		if must(t, err); left() != tc.left {
			t.Errorf("%+v: %d jobs are left, want %d", tc.r, left(), tc.left)
		}
	}
}

// A job whose callback is asked for again while it is about to be forgotten stays.
func TestPruneAndRetry(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	id := finishAt(t, j, epoch)
	must(t, j.Settle(t.Context(), Settlement{DeliveryID: id, State: Dead, At: epoch}))
	r := Retention{EndedBefore: epoch.Add(time.Hour)}
	jobs, err := j.prunable(t.Context(), r, endedJob{})
	must(t, err)
	_, err = j.Retry(t.Context(), id, epoch, nil)
	must(t, err)
	n, pruned, err := j.pruneSome(t.Context(), r, jobs)
	if must(t, err); n != 1 || pruned != (Pruned{}) {
		t.Errorf("%d jobs were dealt with, and %+v pruned", n, pruned)
	}
	if _, err := j.OpenBody(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// Many callbacks that cannot be delivered keep nothing else from being forgotten, also when they are the oldest.
func TestPruneBehindPendingOnes(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	must(t, j.writer.do(t.Context(), op{name: "fill", run: func(st *statements) error {
		for i := range 3*pruneJobs + 50 {
			a := admission(fmt.Sprint(nonces.Add(1)))
			a.Begin = true
			o := outcome(a.Job.ID)
			o.At = epoch.Add(time.Duration(i) * time.Second)
			if i%pruneJobs == 100 || i > 3*pruneJobs {
				o.Callback = nil
			}
			f := finish{Outcome: o}
			if err := errors.Join(a.storeJob(st), f.prepare(j.spool), f.store(st)); err != nil {
				return err
			}
		}
		return nil
	}}))
	if n := prune(t, j, epoch.AddDate(1, 0, 0)); n != 3+49 {
		t.Errorf("pruned %d", n)
	}
	if n, err := j.Prune(t.Context(), Retention{MaxBytes: 1}); err != nil || n != (Pruned{}) {
		t.Errorf("pruned %+v, %v", n, err)
	}
}

// fileSize brings the WAL back into the main file, and returns how long that is.
func fileSize(t *testing.T, j *Journal) int64 {
	t.Helper()
	if _, err := j.writer.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(filepath.Join(j.dir, fileName))
	must(t, err)
	return st.Size()
}

// What is forgotten gives its room back to the file system.
func TestFileShrinks(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	fill := func() {
		for range 180 {
			a := admission(fmt.Sprint(nonces.Add(1)))
			a.Job.Spec, a.Begin = make([]byte, 100_000), true
			must(t, j.Admit(t.Context(), a))
			must(t, j.Finish(t.Context(), Outcome{JobID: a.Job.ID, Status: Exited, At: epoch}))
		}
	}
	fill()
	full := fileSize(t, j)
	prune(t, j, epoch.Add(time.Hour))
	if empty, most := fileSize(t, j), int64(2*(keptPages+shrinkPages)*4096); full < 15e6 || empty > most {
		t.Errorf("the file had %d bytes and has %d, more than %d", full, empty, most)
	}
	fill() // and is used again
	if again := fileSize(t, j); again > full+full/10 {
		t.Errorf("the file has %d bytes, and had %d with as much in it", again, full)
	}
	var verdict string
	if err := j.db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity check: %s, %v", verdict, err)
	}
}

// A journal of before is rewritten when that is quick, so that it can shrink, and otherwise stays as it is.
func TestOldFilesShrinkToo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makeOldJournal(t, dir, 2)
	j := openTest(t, dir)
	if mode, err := pragma[int](t.Context(), j.writer.conn, "auto_vacuum"); err != nil || mode != autoVacuumIncremental || !j.writer.st.shrinks {
		t.Errorf("auto_vacuum is %d, %v", mode, err)
	}
	var verdict string
	if err := j.db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity check: %s, %v", verdict, err)
	}
}
