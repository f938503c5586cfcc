package journal

import (
	"errors"
	"testing"
	"time"
)

// A job that waited may have been decided again: its row names the decision under which it runs, and never another one than its status tells.
func TestBeginUnderAnotherDecision(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	start := Start{JobID: "a", At: epoch.Add(time.Minute), DecisionID: "d-2", Revision: "r2", Spec: []byte(`{"argv":["/usr/bin/df"],"timeout":"5s"}`)}
	a, other := admission("a"), admission("other")
	must(t, errors.Join(j.Admit(t.Context(), a), j.Admit(t.Context(), other)))

	early := start
	early.At = time.Time{}
	wantErr(t, j.Begin(t.Context(), early), ErrInvalid)
	unchanged := Job{NewJob: *a.Job, Seq: 1, Status: Accepted}
	checkJob(t, j, unchanged)

	must(t, j.Begin(t.Context(), start))
	want := Job{NewJob: *a.Job, Seq: 1, Status: Running, StartedAt: start.At}
	want.DecisionID, want.Revision, want.Spec = start.DecisionID, start.Revision, start.Spec
	checkJob(t, j, want)
	checkJob(t, j, Job{NewJob: *other.Job, Seq: 2, Status: Accepted})

	late := start
	late.DecisionID, late.Revision, late.Spec = "d-3", "r3", nil
	wantErr(t, j.Begin(t.Context(), late), ErrState)
	must(t, j.Close())
	checkJob(t, openTest(t, dir), want)
}

// Without a decision of its own a start leaves the one that was admitted; with one it may also take the spec away.
func TestBeginKeepsOrReplacesTheWholeDecision(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	for i, tc := range []struct {
		id    string
		start Start
		want  func(*NewJob)
	}{
		{"kept", Start{Revision: "r2", Spec: []byte("{}")}, func(*NewJob) {}},
		{"emptied", Start{DecisionID: "d-2"}, func(n *NewJob) { n.DecisionID, n.Revision, n.Spec = "d-2", "", nil }},
	} {
		a := admission(tc.id)
		must(t, j.Admit(t.Context(), a))
		tc.start.JobID, tc.start.At = tc.id, epoch
		must(t, j.Begin(t.Context(), tc.start))
		want := Job{NewJob: *a.Job, Seq: int64(i + 1), Status: Running, StartedAt: epoch}
		tc.want(&want.NewJob)
		checkJob(t, j, want)
	}
}
