package gateway

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/policy"
)

// slowPolicy does not answer in time for some questions, and then asks another.
type slowPolicy struct {
	left atomic.Int32
	next decider
}

func (s *slowPolicy) DecideAs(ctx context.Context, id string, in policy.Input) (policy.Decision, error) {
	if s.left.Add(-1) >= 0 {
		return policy.Decision{Reasons: []string{"the policy failed to answer: it took too long"}, Fault: "deadline", TimedOut: true}, nil
	}
	return s.next.DecideAs(ctx, id, in)
}

// TestPolicyTimeout: a policy that does not answer in time is no denial: the caller may come again, with another nonce, because the call is on record. Nothing
// runs, in observe mode neither.
func TestPolicyTimeout(t *testing.T) {
	t.Parallel()
	for _, observe := range []bool{false, true} {
		th := newTheatre(t, theatreOptions{observe: observe})
		slow := &slowPolicy{next: th.judge.policy}
		th.judge.policy = slow
		for _, path := range []string{"/shell", "/v1/decisions"} {
			slow.left.Store(1)
			first, second := th.twice(t, path, body{"command": "true"})
			if first.status != http.StatusServiceUnavailable || first.head.Get("Retry-After") != "2" || first.Reason != PolicyTimeout {
				t.Errorf("%s, observing %v: %+v", path, observe, first)
			}
			if second.status != http.StatusConflict {
				t.Errorf("%s, observing %v, the same again: %+v", path, observe, second)
			}
		}
		if jobs := th.jobs(t); len(jobs) > 0 {
			t.Errorf("observing %v: %d jobs", observe, len(jobs))
		}
		leaves, err := th.journal.AuditLeaves(t.Context(), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, row := range leaves {
			if l, err := audit.Decode(row.Data); err == nil && l.Type == audit.Denied && l.Code == "policy_timeout" {
				told++
			}
		}
		if told != 2 {
			t.Errorf("observing %v: the audit tells of %d calls", observe, told)
		}
	}
}

// TestWaitingJobOutlastsSlowPolicy: a job that was promised does not end because the policy was too slow when its turn came.
func TestWaitingJobOutlastsSlowPolicy(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	l := accepted(t, g, "true")
	l.ruling.Store(nil) // as after a restart: it is decided again
	slow := &slowPolicy{next: g.judge.policy}
	slow.left.Store(2)
	g.judge.policy = slow
	began := time.Now()
	l.runToEnd(t.Context())
	if l.conclusion.Status != executor.StatusExited || slow.left.Load() >= 0 {
		t.Errorf("after %v it ended as %+v", time.Since(began), l.conclusion)
	}
}
