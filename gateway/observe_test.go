package gateway

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
)

// says is a policy with one answer.
type says policy.Decision

func (s says) DecideAs(context.Context, string, policy.Input) (policy.Decision, error) {
	return policy.Decision(s), nil
}

// TestObserveChangesOnlyWhatAPolicyDenies: everything but a well-formed denial, before the end of the mode, is as ever.
func TestObserveChangesOnlyWhatAPolicyDenies(t *testing.T) {
	t.Parallel()
	analyzer, err := shell.New(shell.Config{Path: []string{"/usr/bin", "/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := callback.ParseDestination("http://192.0.2.1/")
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	denies := says{Reasons: []string{"no"}}
	for _, c := range []struct {
		name     string
		order    Order
		decision says
		now      time.Time
		runs     bool
	}{
		{"denied", Order{Command: "id"}, denies, end.Add(-time.Second), true},
		{"denied, at the end", Order{Command: "id"}, denies, end, false},
		{"the policy failed", Order{Command: "id"}, says{Reasons: []string{"no"}, Fault: "undefined"}, end.Add(-time.Hour), false},
		{"invalid", Order{Command: "ls ("}, denies, end.Add(-time.Hour), false},
		{"control character", Order{Command: "ls\x00"}, denies, end.Add(-time.Hour), false},
		{"empty", Order{Command: ""}, denies, end.Add(-time.Hour), false},
		{"too many commands", Order{Command: manyCommands}, denies, end.Add(-time.Hour), false},
		{"needs a shell", Order{Command: "id | cat"}, denies, end.Add(-time.Hour), false},
		{"destination that the configuration does not allow", Order{Command: "id", Callback: &elsewhere}, denies, end.Add(-time.Hour), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			j := judge{analyzer: analyzer, policy: c.decision, bounds: testBounds(), observe: &Observation{
				Until: end, Obligations: policy.Obligations{Timeout: time.Second}, now: func() time.Time { return c.now },
			}}
			r, err := j.rule(t.Context(), Request{ID: "j", Order: c.order}, "")
			if err != nil {
				t.Fatal(err)
			}
			if runs := r.refusal == nil; runs != c.runs {
				t.Fatalf("runs is %v, refusal %v", runs, r.refusal)
			}
			if c.runs && (!r.observed || r.job.Timeout != time.Second || len(r.job.Argv) == 0) {
				t.Errorf("observed is %v, the job %+v", r.observed, r.job)
			}
		})
	}
}

// manyCommands is more than an analysis lists.
var manyCommands = strings.Repeat("true; ", 100) + "id"

// TestObserveLeavesAllowedAlone: what is allowed runs under its own obligations.
func TestObserveLeavesAllowedAlone(t *testing.T) {
	t.Parallel()
	analyzer, err := shell.New(shell.Config{})
	if err != nil {
		t.Fatal(err)
	}
	j := judge{analyzer: analyzer, policy: says{Allow: true, Obligations: policy.Obligations{Timeout: 2 * time.Second}}, bounds: testBounds(),
		observe: &Observation{Until: time.Now().Add(time.Hour), Obligations: policy.Obligations{Timeout: time.Second}}}
	r, err := j.rule(t.Context(), Request{ID: "j", Order: Order{Command: "id"}}, "")
	if err != nil || r.refusal != nil || r.observed || r.job.Timeout != 2*time.Second {
		t.Errorf("got %+v, %v", r, err)
	}
}
