package journal

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// finishAt ends a new job at the given time and returns its delivery's ID.
func finishAt(t *testing.T, j *Journal, at time.Time) string {
	t.Helper()
	o := outcome(inState(t, j, Running))
	o.At = at
	must(t, j.Finish(t.Context(), o))
	return o.Callback.DeliveryID
}

func ids(ds []Delivery) string {
	var s []string
	for _, d := range ds {
		s = append(s, d.ID)
	}
	return strings.Join(s, " ")
}

func TestDue(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	checkDue := func(now time.Time, limit int, want string, wantNext time.Time) {
		t.Helper()
		due, next, err := j.Due(t.Context(), now, limit)
		must(t, err)
		if ids(due) != want || !next.Equal(wantNext) {
			t.Errorf("Due(%v, %d): %q, next %v; want %q, next %v", now, limit, ids(due), next, want, wantNext)
		}
	}
	checkDue(epoch, 1, "", time.Time{})
	third := finishAt(t, j, epoch.Add(3*time.Second))
	first, second := finishAt(t, j, epoch.Add(time.Second)), finishAt(t, j, epoch.Add(2*time.Second))
	checkDue(epoch, 10, "", epoch.Add(time.Second))
	checkDue(epoch.Add(2*time.Second), 10, first+" "+second, epoch.Add(3*time.Second))
	checkDue(epoch.Add(time.Hour), 2, first+" "+second, epoch.Add(3*time.Second)) // more is due
	checkDue(epoch.Add(time.Hour), 3, first+" "+second+" "+third, time.Time{})
	_, _, err := j.Due(t.Context(), epoch, 0)
	wantErr(t, err, ErrInvalid)
}

// A callback fails, is retried and delivered; another one is given up.
func TestSettle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	id := finishAt(t, j, epoch)
	want := Delivery{
		ID: id, JobID: strings.TrimPrefix(id, "c-"), URL: "http://127.0.0.1:8088/done", Body: []byte(`{"kwargs":{}}`),
		CreatedAt: epoch, NextAt: epoch, State: Pending, Seq: 1,
	}
	checkOne := func() {
		t.Helper()
		due, _, err := j.Due(t.Context(), want.NextAt, 10)
		must(t, err)
		if len(due) != 1 || !reflect.DeepEqual(due[0], want) {
			t.Fatalf("due are %+v, want %+v", due, want)
		}
	}
	checkOne()

	retry := Settlement{DeliveryID: id, Attempt: 1, State: Pending, NextAt: epoch.Add(time.Minute), StatusCode: 502, Error: "bad gateway", Changes: `["c"]`, At: epoch}
	must(t, j.Settle(t.Context(), retry))
	want.Attempt, want.NextAt, want.StatusCode, want.LastError, want.Changes = 1, retry.NextAt, 502, "bad gateway", `["c"]`
	if due, _, err := j.Due(t.Context(), epoch, 10); err != nil || len(due) != 0 {
		t.Errorf("due before its time: %v, %v", due, err)
	}
	must(t, j.Close())
	j = openTest(t, dir) // a restart forgets neither the callback nor its attempts
	checkOne()

	done := Settlement{DeliveryID: id, Attempt: 2, State: Delivered, StatusCode: 200, At: epoch.Add(time.Minute)}
	must(t, j.Settle(t.Context(), done))
	wantErr(t, j.Settle(t.Context(), done), ErrState)
	wantErr(t, j.Settle(t.Context(), retry), ErrState)
	dead := finishAt(t, j, epoch)
	long := strings.Repeat("中", maxErrorLength)
	must(t, j.Settle(t.Context(), Settlement{DeliveryID: dead, Attempt: 12, State: Dead, Error: long, At: epoch.Add(time.Hour)}))
	wantErr(t, j.Settle(t.Context(), Settlement{DeliveryID: dead, State: Delivered, At: epoch}), ErrState)
	if due, next, err := j.Due(t.Context(), epoch.AddDate(1, 0, 0), 10); err != nil || len(due) != 0 || !next.IsZero() {
		t.Errorf("still due: %v, next %v, %v", due, next, err)
	}

	all, err := j.Deliveries(t.Context(), DeliveryFilter{})
	must(t, err)
	if len(all) != 2 || all[0].ID != dead || all[0].State != Dead || all[0].Attempt != 12 || !all[0].SettledAt.Equal(epoch.Add(time.Hour)) {
		t.Errorf("deliveries are %+v", all)
	}
	if e := all[0].LastError; len(e) > maxErrorLength+3 || !strings.HasPrefix(long, strings.TrimSuffix(e, "\uFFFD")) {
		t.Errorf("an error of %d bytes was stored as %d: %q", len(long), len(e), e)
	}
	for filter, want := range map[DeliveryFilter]string{
		{State: Delivered}:                      id,
		{State: Pending}:                        "",
		{JobID: strings.TrimPrefix(dead, "c-")}: dead,
		{Before: all[0].Seq}:                    id,
		{Limit: 1}:                              dead,
		{State: "dead' OR '1'='1"}:              "",
	} {
		ds, err := j.Deliveries(t.Context(), filter)
		must(t, err)
		if ids(ds) != want {
			t.Errorf("Deliveries(%+v): %q, want %q", filter, ids(ds), want)
		}
	}
}

func TestSettleRefuses(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	id := finishAt(t, j, epoch)
	for _, tc := range []struct {
		name string
		s    Settlement
		want error
	}{
		{"unknown", Settlement{DeliveryID: "nobody", State: Dead, At: epoch}, ErrNotFound},
		{"no state", Settlement{DeliveryID: id, At: epoch}, ErrInvalid},
		{"unknown state", Settlement{DeliveryID: id, State: "lost", At: epoch}, ErrInvalid},
		{"a retry at no time", Settlement{DeliveryID: id, State: Pending, At: epoch}, ErrInvalid},
		{"at no time", Settlement{DeliveryID: id, State: Dead}, ErrInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) { wantErr(t, j.Settle(t.Context(), tc.s), tc.want) })
	}
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

	if n, err := j.PruneJobs(t.Context(), cutoff); n != len(gone) || err != nil {
		t.Errorf("pruned %d, %v; want %d", n, err, len(gone))
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
	must(t, j.readers.QueryRow("SELECT (SELECT count(*) FROM output), (SELECT count(*) FROM outbox)").Scan(&outputs, &deliveries))
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
			if err := o.store(st); err != nil {
				return err
			}
		}
		return nil
	}}))
	if n, err := j.PruneJobs(t.Context(), epoch.Add(time.Hour)); n != many || err != nil {
		t.Errorf("pruned %d, %v; want %d", n, err, many)
	}
	if jobs, err := j.Jobs(t.Context(), Filter{}); err != nil || len(jobs) != 0 {
		t.Errorf("left are %v, %v", jobs, err)
	}
}
