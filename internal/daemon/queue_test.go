package daemon

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/auth"
)

// TestWaitingJobIsDecidedAgain: with one slot and one place to wait, a third call is turned away; and the job that waited
// is decided by the policy of the moment when its turn comes.
func TestWaitingJobIsDecidedAgain(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "state"), "executor: {concurrency: 1, queue: 1}")
	d, url, stop := s.start(t)
	defer stop()
	first := s.background(t, url, map[string]any{"command": s.untilReleased()})
	s.await(t, "begun")
	second := s.background(t, url, map[string]any{"command": "touch " + filepath.Join(s.dir, "out", "second")})
	eventually(t, "the second waits", func() bool {
		return slices.ContainsFunc(d.gateway.Ready(t.Context()), func(c gateway.Check) bool { return c.Detail == "1 running, 1 waiting" })
	})
	third := s.call(t, url, map[string]any{"command": "true", "wait": false})
	if third.Status != http.StatusTooManyRequests || third.Reason != "queue_full" {
		t.Fatalf("the third call answered %+v", third)
	}
	write(t, filepath.Join(s.dir, "policies", "sidegate", "decision.rego"),
		"package sidegate\n\ndecision := {\"allow\": false, \"grants\": [], \"reasons\": [\"closed for today\"], \"obligations\": {}}\n", 0o644)
	eventually(t, "the edit is used", func() bool { return s.call(t, url, map[string]any{"command": "true"}).Status == http.StatusForbidden })
	write(t, filepath.Join(s.dir, "out", "release"), "", 0o644)

	if a := <-first; a.Status != http.StatusOK || a.Data.Status != "exited" {
		t.Errorf("the first call answered %+v", a)
	}
	a := <-second
	if a.Status != http.StatusOK || a.Data.Status != "failed" || !strings.Contains(a.Data.Stderr, "closed for today") {
		t.Errorf("the second call answered %+v", a)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "out", "second")); err == nil {
		t.Error("the waiting command ran although the policy denies it now")
	}
}

// TestDisconnectKills: where the decision says so, a command ends with its caller.
func TestDisconnectKills(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "state"), "")
	write(t, filepath.Join(s.dir, "policies", "sidegate", "decision.rego"),
		strings.Replace(allowAll, `"obligations": {`, `"obligations": {"on_disconnect": "kill", `, 1), 0o644)
	_, url, stop := s.start(t)
	defer stop()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := signed(ctx, url, auth.NewNonce(), map[string]any{"command": s.untilReleased()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := send(http.DefaultClient, req)
		done <- err
	}()
	s.await(t, "begun")
	leave()
	<-done
	eventually(t, "the command is gone", func() bool { return len(children(t)) == 0 })
}

// TestRateLimitedCallKeepsItsNonce: a call that comes too soon was not decided, and works as it is once there is room.
func TestRateLimitedCallKeepsItsNonce(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "state"), "")
	s.yaml = strings.Replace(s.yaml, "limits: {rate: 100000, burst: 100000}", "limits: {rate: 2, burst: 1}", 1)
	_, url, stop := s.start(t)
	defer stop()
	nonce := auth.NewNonce()
	again := func() answer {
		t.Helper()
		req, err := signed(t.Context(), url, nonce, map[string]string{"command": "true"})
		if err != nil {
			t.Fatal(err)
		}
		a, err := send(http.DefaultClient, req)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	// Other calls use the rate up until one with the nonce is turned away.
	eventually(t, "a call is turned away", func() bool {
		s.call(t, url, map[string]string{"command": "true"})
		a := again()
		if a.Status == http.StatusOK || a.Status == http.StatusConflict { // it had room: take another
			nonce = auth.NewNonce()
			return false
		}
		return a.Status == http.StatusTooManyRequests && a.Reason == "rate_limited"
	})
	var last answer
	eventually(t, "there is room again", func() bool {
		last = again()
		return last.Status != http.StatusTooManyRequests
	})
	if last.Status != http.StatusOK {
		t.Errorf("with room again: %+v", last)
	}
}
