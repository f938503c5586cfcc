package journal

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// randomJobs are jobs of all kinds, in the order in which they arrived. Now and then the clock is set back.
func randomJobs(t *testing.T, j *Journal, n int) (jobs []Job) {
	t.Helper()
	clock := epoch
	for i := range n {
		id := fmt.Sprint(i)
		clock = clock.Add(time.Minute)
		if rand.IntN(20) == 0 {
			clock = clock.Add(-3 * time.Hour)
		}
		a := admission(id)
		a.Job.Client, a.Job.AcceptedAt, a.Job.Labels = fmt.Sprint("c", rand.IntN(3)), clock, map[string]string{}
		for _, name := range []string{"app", "stage", "团队"} {
			if rand.IntN(2) == 0 {
				a.Job.Labels[name] = fmt.Sprint("v", rand.IntN(3))
			}
		}
		must(t, j.Admit(t.Context(), a))
		status := allStatuses[rand.IntN(len(allStatuses))]
		if status != Accepted {
			must(t, j.Begin(t.Context(), Start{JobID: id, At: epoch}))
		}
		if status.Final() {
			must(t, j.Finish(t.Context(), Outcome{JobID: id, Status: status, At: epoch}))
		}
		jobs = append(jobs, Job{NewJob: *a.Job, Seq: int64(i) + 1, Status: status})
	}
	return jobs
}

func randomFilter() (f Filter) {
	for range rand.IntN(4) {
		f.Statuses = append(f.Statuses, allStatuses[rand.IntN(len(allStatuses))])
	}
	if rand.IntN(2) == 0 {
		f.Client = fmt.Sprint("c", rand.IntN(4))
	}
	for _, name := range []string{"app", "stage", "团队", "none"}[:rand.IntN(5)] {
		if rand.IntN(2) == 0 {
			f.Labels = maps.Clone(f.Labels)
			if f.Labels == nil {
				f.Labels = map[string]string{}
			}
			f.Labels[name] = fmt.Sprint("v", rand.IntN(3))
		}
	}
	if rand.IntN(2) == 0 {
		f.Since = epoch.Add(time.Duration(rand.IntN(200)) * time.Minute)
	}
	if rand.IntN(2) == 0 {
		f.Before = rand.Int64N(150)
	}
	f.Limit = rand.IntN(30)
	return f
}

// wanted tells whether a job is one that a filter selects, by other means than the filter's.
func (f Filter) wanted(job Job) bool {
	for name, value := range f.Labels {
		if got, ok := job.Labels[name]; !ok || got != value {
			return false
		}
	}
	return (len(f.Statuses) == 0 || slices.Contains(f.Statuses, job.Status)) && (f.Client == "" || f.Client == job.Client) &&
		!job.AcceptedAt.Before(f.Since) && (f.Before == 0 || job.Seq < f.Before)
}

func TestFilter(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	jobs := randomJobs(t, j, 150)
	slices.Reverse(jobs)
	found := 0
	for range 400 {
		f := randomFilter()
		var want []string
		for _, job := range jobs {
			if f.wanted(job) && len(want) < pageSize(f.Limit) {
				want = append(want, job.ID)
			}
		}
		listed, err := j.Jobs(t.Context(), f)
		must(t, err)
		var got []string
		for _, job := range listed {
			got = append(got, job.ID)
			if want := jobs[len(jobs)-int(job.Seq)]; len(job.Labels)+len(want.Labels) > 0 && !reflect.DeepEqual(job.Labels, want.Labels) {
				t.Errorf("job %s has labels %v, want %v", job.ID, job.Labels, want.Labels)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v: %v, want %v", f, got, want)
		}
		found += len(got)
	}
	if found < 500 {
		t.Errorf("the filters found only %d jobs", found)
	}
}

// A listing follows an index from its end, and does not sort or look through all jobs to return a page.
func TestListingsUseIndexes(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	for name, f := range map[string]Filter{
		"all":                 {},
		"a page":              {Before: 100},
		"a client":            {Client: "c"},
		"a status":            {Statuses: []Status{Failed}},
		"statuses":            {Statuses: []Status{Failed, Killed, Failed}, Client: "c"},
		"a label":             {Labels: map[string]string{"a": "b"}, Statuses: []Status{Failed, Killed}, Before: 10},
		"labels, and a time":  {Labels: map[string]string{"a": "b", "c": "d"}, Since: epoch},
		"a time":              {Since: epoch},
		"everything together": {Statuses: []Status{Failed, Killed}, Client: "c", Labels: map[string]string{"a": "b"}, Since: epoch, Before: 10, Limit: 10},
	} {
		text, args := f.query()
		rows, err := j.db.Query("EXPLAIN QUERY PLAN "+text, args...)
		must(t, err)
		plan, err := collect(rows, func(row scanner) (step string, err error) {
			var id, parent, unused int
			err = row.Scan(&id, &parent, &unused, &step)
			return step, err
		})
		must(t, err)
		for _, step := range plan {
			if strings.Contains(step, "TEMP B-TREE") || strings.HasPrefix(step, "SCAN job") && name != "all" {
				t.Errorf("%s: %s", name, strings.Join(plan, "; "))
			}
		}
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	many := make(map[string]string)
	for i := range maxLabels {
		many[fmt.Sprint(i)] = "x"
	}
	quoted := map[string]string{`a"b\`: "<&>\n\x00'", "中": "", strings.Repeat("n", maxLabelName): strings.Repeat("v", maxLabelValue)}
	for i, labels := range []map[string]string{nil, {}, many, quoted} {
		a := admission(fmt.Sprint(i))
		a.Job.Labels = labels
		must(t, j.Admit(t.Context(), a))
		got, err := j.Job(t.Context(), a.Job.ID)
		if must(t, err); len(got.Labels)+len(labels) > 0 && !reflect.DeepEqual(got.Labels, labels) {
			t.Errorf("labels are %v, want %v", got.Labels, labels)
		}
		must(t, j.Finish(t.Context(), Outcome{JobID: a.Job.ID, Status: Killed, At: epoch}))
	}
	if n := prune(t, j, epoch.Add(time.Hour)); n != 4 {
		t.Errorf("pruned %d", n)
	}
	var left int
	if err := j.db.QueryRow("SELECT count(*) FROM job_label").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d labels are left, %v", left, err)
	}

	many["one more"] = ""
	for name, labels := range map[string]map[string]string{
		"too many": many, "no name": {"": "x"}, "a long name": {strings.Repeat("n", maxLabelName+1): ""}, "a long value": {"n": strings.Repeat("v", maxLabelValue+1)},
		"a name that is not UTF-8": {"\xff": ""}, "a value that is not UTF-8": {"n": "\xff"},
	} {
		a := admission("refused")
		a.Job.Labels = labels
		if err := j.Admit(t.Context(), a); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	a := admission("twice") // the labels of a refused job leave nothing
	a.Job.Labels = map[string]string{"a": "b"}
	must(t, j.Admit(t.Context(), a))
	a.Nonce = freshNonce(epoch)
	wantErr(t, j.Admit(t.Context(), a), ErrExists)
}
