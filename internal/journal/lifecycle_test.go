package journal

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	finalStatuses = []Status{Exited, Signaled, TimedOut, Killed, Failed, Interrupted}
	allStatuses   = append([]Status{Accepted, Running}, finalStatuses...)
)

// Every step from every status, against the list of those that are allowed.
func TestTransitions(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	allowed := map[Status][]Status{
		Accepted: {Running, Failed, Interrupted, Killed},
		Running:  finalStatuses,
	}
	for _, from := range allStatuses {
		for _, to := range allStatuses[1:] {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				id := inState(t, j, from)
				want := ErrState
				if slices.Contains(allowed[from], to) {
					want = nil
				}
				before, err := j.Job(t.Context(), id)
				must(t, err)
				if to == Running {
					err = j.Begin(t.Context(), Start{JobID: id, At: epoch.Add(time.Second)})
				} else {
					o := outcome(id)
					o.Status, o.Callback.DeliveryID = to, "second-"+id
					err = j.Finish(t.Context(), o)
				}
				wantErr(t, err, want)
				after, err := j.Job(t.Context(), id)
				must(t, err)
				if want == nil && after.Status != to {
					t.Errorf("status is %s", after.Status)
				}
				if want != nil && !reflect.DeepEqual(before, after) {
					t.Errorf("a refused step changed the job: %+v, was %+v", after, before)
				}
			})
		}
	}
}

func TestStepsOfUnknownJobs(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	wantErr(t, j.Begin(t.Context(), Start{JobID: "nobody", At: epoch}), ErrNotFound)
	wantErr(t, j.Finish(t.Context(), outcome("nobody")), ErrNotFound)
	_, err := j.Job(t.Context(), "nobody")
	wantErr(t, err, ErrNotFound)
	_, err = j.Output(t.Context(), "nobody")
	wantErr(t, err, ErrNotFound)
	_, err = j.Output(t.Context(), inState(t, j, Running))
	wantErr(t, err, ErrNotFound)
}

func TestInvalidValues(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	admissions := map[string]func(*Admission){
		"no client of the nonce": func(a *Admission) { a.Nonce.Client = "" },
		"no time of signing":     func(a *Admission) { a.Nonce.SignedAt = time.Time{} },
		"expired before signing": func(a *Admission) { a.Nonce.Expires = a.Nonce.SignedAt.Add(-1) },
		"no job to begin":        func(a *Admission) { a.Job, a.Begin = nil, true },
		"no client of the job":   func(a *Admission) { a.Job.Client = "" },
		"no time of acceptance":  func(a *Admission) { a.Job.AcceptedAt = time.Time{} },
		"begins at no time":      func(a *Admission) { a.Begin, a.At = true, time.Time{} },
		"no ID":                  func(a *Admission) { a.Job.ID = "" },
		"an ID of 129 bytes":     func(a *Admission) { a.Job.ID = strings.Repeat("x", 129) },
	}
	for name, spoil := range admissions {
		a := admission("invalid")
		spoil(&a)
		if err := j.Admit(t.Context(), a); err == nil {
			t.Errorf("admitted: %s", name)
		} else {
			wantErr(t, err, ErrInvalid)
		}
	}
	outcomes := map[string]func(*Outcome){
		"not an end":            func(o *Outcome) { o.Status = Running },
		"no status":             func(o *Outcome) { o.Status = "" },
		"an unknown status":     func(o *Outcome) { o.Status = "done" },
		"at no time":            func(o *Outcome) { o.At = time.Time{} },
		"more kept than came":   func(o *Outcome) { o.Stderr.Bytes = 2 },
		"a callback to nowhere": func(o *Outcome) { o.Callback.URL = "" },
		"a callback without ID": func(o *Outcome) { o.Callback.DeliveryID = "" },
		"a callback for nobody": func(o *Outcome) { o.Callback.Destination = "" },
	}
	id := inState(t, j, Running)
	for name, spoil := range outcomes {
		o := outcome(id)
		spoil(&o)
		if err := j.Finish(t.Context(), o); err == nil {
			t.Errorf("finished: %s", name)
		} else {
			wantErr(t, err, ErrInvalid)
		}
	}
	wantErr(t, j.Begin(t.Context(), Start{JobID: id}), ErrInvalid)
}

// What goes in comes out, through both ways to begin.
func TestJobRoundTrip(t *testing.T) {
	t.Parallel()
	for _, begin := range []bool{false, true} {
		j := openTest(t, t.TempDir())
		a, o := admission("a"), outcome("a")
		a.Begin = begin
		a.Job.Command = "printf '\x01\xff中文'"
		o.Stdout.Content = Bytes{0, 0xff, '\n', 0}
		o.Signal, o.Reason = "SIGTERM", "a reason"
		must(t, j.Admit(t.Context(), a))

		want := Job{NewJob: *a.Job, Seq: 1, Status: Accepted}
		if begin {
			want.Status, want.StartedAt = Running, a.At
		}
		checkJob(t, j, want)
		if !begin {
			want.Status, want.StartedAt = Running, epoch.Add(1500*time.Millisecond)
			must(t, j.Begin(t.Context(), Start{JobID: "a", At: want.StartedAt}))
			checkJob(t, j, want)
		}

		must(t, j.Finish(t.Context(), o))
		want.Status, want.EndedAt, want.ExitCode, want.Signal, want.Reason = Exited, o.At, 3, o.Signal, o.Reason
		want.Duration, want.Result = o.Duration, o.Result
		checkJob(t, j, want)

		got, err := j.Output(t.Context(), "a")
		must(t, err)
		wanted := Output{StoredStream{1 << 20, 4, true, sha256.Sum256([]byte("\x00\xff\n\x00"))}, StoredStream{3, 3, false, sha256.Sum256([]byte("err"))}}
		if got != wanted {
			t.Errorf("output is %+v", got)
		}
		if read(t, j.Reader, "a", Stdout) != "\x00\xff\n\x00" || read(t, j.Reader, "a", Stderr) != "err" {
			t.Error("another output is read than was stored")
		}
	}
}

func checkJob(t *testing.T, j *Journal, want Job) {
	t.Helper()
	got, err := j.Job(t.Context(), want.ID)
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("job is\n%+v, want\n%+v", got, want)
	}
}

// A job with nothing but the required fields.
func TestSparseJob(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	a := Admission{Nonce: freshNonce(epoch), Job: &NewJob{ID: "a", Client: "func", AcceptedAt: epoch}}
	must(t, j.Admit(t.Context(), a))
	must(t, j.Finish(t.Context(), Outcome{JobID: "a", Status: Failed, At: epoch}))
	checkJob(t, j, Job{NewJob: *a.Job, Seq: 1, Status: Failed, EndedAt: epoch})
	o, err := j.Output(t.Context(), "a")
	must(t, err)
	if empty := (StoredStream{SHA256: sha256.Sum256(nil)}); o.Stdout != empty || o.Stderr != empty || read(t, j.Reader, "a", Stderr) != "" {
		t.Errorf("output is %+v", o)
	}
}

// A job that cannot be stored leaves its nonce unused, and an end that cannot be stored leaves the job running.
func TestOperationsAreAtomic(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	must(t, j.Admit(t.Context(), admission("a")))
	twin := admission("a")
	wantErr(t, j.Admit(t.Context(), twin), ErrExists)
	must(t, j.Admit(t.Context(), Admission{Nonce: twin.Nonce})) // so its nonce was not used up

	must(t, j.Begin(t.Context(), Start{JobID: "a", At: epoch}))
	b := inState(t, j, Exited)
	o := outcome("a")
	o.Callback.DeliveryID = "c-" + b
	wantErr(t, j.Finish(t.Context(), o), ErrExists)
	if got, err := j.Job(t.Context(), "a"); err != nil || got.Status != Running {
		t.Errorf("after a refused Finish: %+v, %v", got, err)
	}
	_, err := j.Output(t.Context(), "a")
	wantErr(t, err, ErrNotFound)
	must(t, j.Finish(t.Context(), outcome("a")))
}

func TestRunningAndWaiting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	want := map[Status][]string{}
	for range 3 {
		for _, s := range allStatuses {
			want[s] = append(want[s], inState(t, j, s))
		}
	}
	must(t, j.Close())

	j = openTest(t, dir) // as after a crash: the rows are as they were left
	for s, list := range map[Status]func() ([]Job, error){
		Running:  func() ([]Job, error) { return j.Running(t.Context()) },
		Accepted: func() ([]Job, error) { return j.Waiting(t.Context()) },
	} {
		jobs, err := list()
		must(t, err)
		var ids []string
		for _, job := range jobs {
			ids = append(ids, job.ID)
			if !bytes.Contains(job.Spec, []byte("argv")) || len(job.Request) == 0 {
				t.Errorf("%s cannot be run again: its spec is %q", job.ID, job.Spec)
			}
		}
		if !slices.Equal(ids, want[s]) {
			t.Errorf("%s: %v, want %v", s, ids, want[s])
		}
	}
	for _, id := range want[Running] {
		must(t, j.Finish(t.Context(), Outcome{JobID: id, Status: Interrupted, At: epoch, Reason: "the gateway ended"}))
	}
	if jobs, err := j.Running(t.Context()); err != nil || len(jobs) != 0 {
		t.Errorf("still running: %v, %v", jobs, err)
	}
}

func TestJobs(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	for i := range 30 {
		a := admission(fmt.Sprintf("%02d", i))
		a.Job.Client = []string{"even", "odd"}[i%2]
		a.Begin = i >= 20
		must(t, j.Admit(t.Context(), a))
	}
	for _, tc := range []struct {
		name   string
		filter Filter
		want   string
	}{
		{"newest of all", Filter{Limit: 3}, "29 28 27"},
		{"next page", Filter{Limit: 3, Before: 28}, "26 25 24"},
		{"last page", Filter{Before: 3}, "01 00"},
		{"by client", Filter{Client: "odd", Limit: 2}, "29 27"},
		{"by status", Filter{Statuses: []Status{Accepted}, Limit: 2}, "19 18"},
		{"by both", Filter{Statuses: []Status{Accepted}, Client: "even", Before: 10}, "08 06 04 02 00"},
		{"none", Filter{Client: "even' OR '1'='1"}, ""},
	} {
		jobs, err := j.Jobs(t.Context(), tc.filter)
		must(t, err)
		var ids []string
		for _, job := range jobs {
			ids = append(ids, job.ID)
			if job.Spec != nil || job.Request != nil || job.Command == "" {
				t.Errorf("a listing returns %+v", job)
			}
		}
		if got := strings.Join(ids, " "); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestPageSize(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]int{-1: 100, 0: 100, 1: 1, 1000: 1000, 1001: 1000} {
		if got := pageSize(limit); got != want {
			t.Errorf("pageSize(%d) = %d, want %d", limit, got, want)
		}
	}
}

// An output whose bytes changed on disk is not handed out as if it were the command's.
func TestOutputIsVerified(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	id := inState(t, j, Exited)
	tamper(t, j, "UPDATE output SET stderr = x'00'")
	_, err := j.OpenOutput(t.Context(), id, Stderr)
	wantErr(t, err, ErrCorrupt)
	if read(t, j.Reader, id, Stdout) != "out of "+id {
		t.Error("the other stream is damaged too")
	}
}
