package executor

import (
	"slices"
	"testing"
)

// A demand for nothing beyond the runtime set is a demand; no demand is none.
func TestObligationsWithoutSandbox(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	for _, tc := range []struct {
		demand *Filesystem
		want   []string
	}{
		{nil, nil},
		{&Filesystem{}, []string{"filesystem"}},
		{&Filesystem{Read: []string{}, Write: []string{}}, []string{"filesystem"}},
		{&Filesystem{Read: []string{"/srv"}}, []string{"filesystem.read", "filesystem"}},
		{&Filesystem{Write: []string{"/srv"}}, []string{"filesystem.write", "filesystem"}},
		{&Filesystem{Execute: []string{}}, []string{"filesystem.execute", "filesystem"}},
	} {
		job := Job{Profile: ProfileHost, Filesystem: tc.demand}
		holds, err := r.admit(&job)
		if err != nil || !slices.Equal(holds.Missing, append([]string{}, tc.want...)) {
			t.Errorf("%+v: missing %q (%v), want %q", tc.demand, holds.Missing, err, tc.want)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	t.Logf("%+v", r.Report())
}
