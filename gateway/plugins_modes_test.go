package gateway

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/wasm"
)

// TestDryRunWithPlugins: POST /v1/decisions shows what plugins would make of a request, a denial and a failure as answers,
// and lets nothing be fetched.
func TestDryRunWithPlugins(t *testing.T) {
	t.Parallel()
	mayFetch := func(p *wasm.Plugin) { p.Fetch = []string{"http://auth.test/*"} }
	for _, tt := range []struct {
		name       string
		play       play
		allow      bool
		changed    []string
		answeredBy string
		incomplete bool
		reason     string
	}{
		{"changed", on(wasm.PhaseRequest, "p", "=/command='ls /srv'"), true, []string{"p"}, "", false, ""},
		{"unchanged", on(wasm.PhaseRequest, "p", ""), true, []string{}, "", false, ""},
		{"denied", on(wasm.PhaseRequest, "p", "d401no"), false, []string{}, "", false, "plugin p denies the request: no"},
		{"failed", on(wasm.PhaseRequest, "p", "t"), false, []string{}, "", false, "plugin p failed (trap), so the request is denied; the gateway's log says why"},
		{"answered", on(wasm.PhaseRequest, "p", "ahello"), false, []string{}, "p", false, ""},
		{"fetches", on(wasm.PhaseRequest, "p", "f{'url':'http://auth.test/'}").but(mayFetch), false, []string{}, "", true, "plugin p denies the request"},
		{"fetches and fails", on(wasm.PhaseRequest, "p", "=/labels/a='b';w{'url':'http://auth.test/'}").but(mayFetch), false, []string{}, "", false, "plugin p failed (abi), so the request is denied; the gateway's log says why"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			th := newTheatre(t, theatreOptions{fetch: func(*http.Request) (*http.Response, error) {
				t.Error("something was fetched")
				return nil, http.ErrNotSupported
			}}, tt.play)
			got, again := th.twice(t, "/v1/decisions", body{"command": "id"})
			if got.status != http.StatusOK || got.Allow != tt.allow || !slices.Equal(got.ChangedBy, tt.changed) || got.AnsweredBy != tt.answeredBy || got.Incomplete != tt.incomplete {
				t.Errorf("answered %d %s", got.status, got.raw)
			}
			if got.DecisionID == "" || strings.Join(got.Reasons, " ") != tt.reason {
				t.Errorf("reasons are %q, want %q", got.Reasons, tt.reason)
			}
			shown := got.Analysis.Commands[0]
			if want := map[bool]string{true: "ls", false: "id"}[len(tt.changed) > 0]; *shown.Argv[0] != want || tt.allow != (shown.ResolvedPath != nil) {
				t.Errorf("the analysis is %s", got.raw)
			}
			if again.status != http.StatusConflict || len(th.jobs(t)) > 0 {
				t.Errorf("the same call again: %d %s", again.status, again.raw)
			}
		})
	}
}

// TestObservedRequestIsThePlugins: observe mode runs what the plugins made of a request, and does not let through what a
// plugin denies or fails to say.
func TestObservedRequestIsThePlugins(t *testing.T) {
	t.Parallel()
	denies := "package sidegate\n\ndecision := {\"allow\": false, \"grants\": [], \"reasons\": [\"no\"], \"obligations\": {}}\n"
	th := newTheatre(t, theatreOptions{rego: denies, observe: true}, on(wasm.PhaseRequest, "p", "=/command='echo safe'"))
	if got := th.shell(t, body{"command": "echo asked"}); got.status != 200 || got.Data.Stdout != "safe\n" || !got.Data.WouldDeny {
		t.Errorf("answered %d %s", got.status, got.raw)
	}
	for _, script := range []string{"d403no", "t"} {
		th := newTheatre(t, theatreOptions{rego: denies, observe: true}, on(wasm.PhaseRequest, "p", script))
		if got := th.shell(t, body{"command": "echo asked"}); got.status != http.StatusForbidden || len(th.jobs(t)) > 0 {
			t.Errorf("%s: answered %d %s", script, got.status, got.raw)
		}
	}
}

// TestWaitingJobKeepsItsChanges: a job that waited, or came back after a restart, is decided again on what the plugins made
// of it, and by whom; the plugins are not asked again.
func TestWaitingJobKeepsItsChanges(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseRequest, "p", "=/command='echo changed';-/env/TOKEN"))
	made, err := th.transform(t.Context(), Request{ID: newID(), Time: th.now().UTC(), Principal: auth.Principal{Client: "func"},
		Order: Order{Command: "echo asked", Env: []Variable{{"TOKEN", "hunter2"}}}}, false)
	if err != nil {
		t.Fatal(err)
	}
	r, err := th.rule(t.Context(), made.request)
	if err != nil || r.refusal != nil {
		t.Fatal(err, r)
	}
	row, err := th.Gateway.row(made.request, r)
	if err != nil {
		t.Fatal(err)
	}
	nonce := journal.Nonce{Client: "func", SignedAt: th.now(), Expires: th.now().Add(time.Minute)}
	if err := th.journal.Admit(t.Context(), journal.Admission{Nonce: &nonce, At: th.now(), Job: row}); err != nil {
		t.Fatal(err)
	}
	// The gateway comes back with another plugin, and with a policy that looks at who changed what.
	if err := th.plugins.Load(t.Context(), stageOf(t, th.dir, []play{on(wasm.PhaseRequest, "q", "=/command='false'")})); err != nil {
		t.Fatal(err)
	}
	rego := strings.Replace(allowing, "}\n", "} if { input.request.changed_by == [\"p\"]; input.request.command == \"echo changed\"; input.request.env == {} }\n", 1)
	if err := os.WriteFile(th.rego, []byte(rego), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := th.policy.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := th.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := th.row(t, made.request.ID)
	if stdout, stderr, _ := th.outputOf(t, ended.ID); ended.Status != journal.Exited || stdout != "changed\n" || ended.DecisionID == r.id {
		t.Errorf("ended as %s with %q, %q", ended.Status, stdout, stderr)
	}
	th.nowhere(t, "hunter2")
}

// TestCallerLeavesDuringAPlugin: the plugin and what follows it go on, and nothing is left behind.
func TestCallerLeavesDuringAPlugin(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseRequest, "p", "l1 here;s0200"))
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		th.Handler().ServeHTTP(discard{}, signedCall(ctx, "/shell", "func", auth.NewNonce(), body{"command": "true"}))
	}()
	until(t, "the plugin runs", func() bool { return th.plugins.Status()[0].Calls > 0 })
	leave()
	<-done
	all := th.jobs(t)
	if len(all) != 1 || th.row(t, all[0].ID).Status != journal.Exited {
		t.Fatalf("the jobs are %+v", all)
	}
	until(t, "the slot is free", func() bool { return th.queue.Stats().Running == 0 })
}

// discard is a reply that nobody reads.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
