package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/wasm"
)

// TestPolicySeesWhatPluginsMade: policy is asked about the rewritten request and who rewrote it, and that is what runs.
func TestPolicySeesWhatPluginsMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	th := newTheatre(t, theatreOptions{rego: fmt.Sprintf(`package sidegate

default decision := {"allow": false, "grants": [], "reasons": ["not as the plugins made it"], "obligations": {}}

decision := {"allow": true, "grants": ["test"], "reasons": [], "obligations": {}} if {
	input.request.command == "printenv A TOKEN"
	input.request.workdir == %q
	input.request.env == {"A": "1"}
	input.request.labels == {"team": "x"}
	input.request.callback.path == "/done"
	input.request.changed_by == ["first", "second"]
	input.shell.commands[0].argv == ["printenv", "A", "TOKEN"]
}
`, dir)},
		on(wasm.PhaseRequest, "first", "=/command='printenv A TOKEN';-/env/TOKEN;=/labels/team='x'"),
		on(wasm.PhaseRequest, "second", "=/env/A='1';=/workdir='"+dir+"';=/callback='http://func.test/done'"),
		on(wasm.PhaseRequest, "third", "=/env/A='1'"), // changes nothing any more
	)
	got := th.shell(t, body{"command": "rm -rf /", "envs": []string{"TOKEN=hunter2"}, "workdir": "/", "callbackURL": "http://elsewhere.test/"})
	if got.status != http.StatusOK || got.Data.Stdout != "1\n" || got.Data.ExitCode != 1 { // TOKEN is not set
		t.Fatalf("answered %s", got.raw)
	}
	row := th.row(t, got.Data.JobID)
	req := requestOf(row)
	if row.Command != "printenv A TOKEN" || row.Callback != "http://func.test/done" || !slices.Equal(req.changedBy(), []string{"first", "second"}) {
		t.Errorf("the journal has %q, %q, %q", row.Command, row.Callback, req.changedBy())
	}
	want := map[string]string{"first": "command env labels", "second": "callback env workdir"}
	for i, c := range req.Changes {
		if strings.Join(c.Fields, " ") != want[c.Plugin] || len(c.Before) != 64 || len(c.After) != 64 || c.BeforeText+c.AfterText != "" {
			t.Errorf("change %d is %+v", i, c)
		}
	}
	if len(req.Changes) != 2 || req.Changes[0].After != req.Changes[1].Before {
		t.Errorf("the changes are %+v", req.Changes)
	}
	th.nowhere(t, "hunter2", got)
}

// TestKeptTextIsAskedFor: the full text of a change, with what was taken out, is on record where the operator asks for it.
func TestKeptTextIsAskedFor(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseRequest, "verifier", "-/env/TOKEN").but(func(p *wasm.Plugin) { p.KeepText = true }))
	got := th.shell(t, body{"command": "true", "envs": []string{"TOKEN=hunter2"}})
	if got.status != http.StatusOK {
		t.Fatal(got.raw)
	}
	c := requestOf(th.row(t, got.Data.JobID)).Changes
	if len(c) != 1 || !strings.Contains(c[0].BeforeText, "hunter2") || strings.Contains(c[0].AfterText, "hunter2") {
		t.Errorf("the journal has %+v", c)
	}
	if strings.Contains(th.log.String(), "hunter2") {
		t.Error("the secret is in the log")
	}
}

// TestPluginVerdicts: what a plugin of the request phase may say, with status, code and words; its nonce is spent, and
// nothing ran.
func TestPluginVerdicts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		script  string
		status  int
		code    Code
		message string
	}{
		{"d401no token", 401, PluginUnauthorized, "plugin p denies the request: no token"},
		{"d403not you", 403, PluginDenied, "plugin p denies the request: not you"},
		{"d429slower", 429, PluginLimited, "plugin p denies the request: slower"},
		{"d503later", 503, PluginUnavailable, "plugin p denies the request: later"},
		{"d418", 403, PluginDenied, "plugin p denies the request"},
		{"v1", 403, PluginDenied, "plugin p denies the request"},
		{"=/command='touch RAN';d403changed my mind", 403, PluginDenied, "plugin p denies the request: changed my mind"},
	} {
		t.Run(tt.script, func(t *testing.T) {
			t.Parallel()
			th := newTheatre(t, theatreOptions{}, on(wasm.PhaseRequest, "p", tt.script), on(wasm.PhaseRequest, "after", "aas if nothing had been"))
			got, again := th.twice(t, "/shell", body{"command": "touch " + filepath.Join(th.dir, "ran"), "envs": []string{"TOKEN=hunter2"}})
			if got.status != tt.status || got.Reason != tt.code || got.Message != tt.message || got.OK || got.DecisionID == "" {
				t.Errorf("answered %d %s", got.status, got.raw)
			}
			if again.status != http.StatusConflict || again.Reason != ReplayedNonce {
				t.Errorf("the same call again: %d %s", again.status, again.raw)
			}
			if _, err := os.Stat(filepath.Join(th.dir, "ran")); err == nil || len(th.jobs(t)) > 0 {
				t.Error("it ran")
			}
			th.nowhere(t, "hunter2", got, again)
			if strings.Contains(th.log.String(), "touch") {
				t.Errorf("the command is in the log: %s", th.log)
			}
		})
	}
}

// TestPluginAnswers: a plugin's answer takes the place of a command, for callers who wait and those who do not.
func TestPluginAnswers(t *testing.T) {
	t.Parallel()
	for _, wait := range []bool{true, false} {
		th := newTheatre(t, theatreOptions{rego: "package sidegate\n"}, on(wasm.PhaseRequest, "cache", "ahello <b>"), on(wasm.PhaseResponse, "redact", "pl*"))
		got, again := th.twice(t, "/shell", body{"command": "touch x", "wait": wait, "callbackURL": "http://func.test/"})
		d := got.Data
		if got.status != 200 || !got.OK || d.Status != "answered" || d.Stdout != "he**o <b>" || d.AnsweredBy != "cache" || !slices.Equal(d.HeldBy, []string{"redact"}) || d.JobID != "" {
			t.Errorf("wait %v: answered %d %s", wait, got.status, got.raw)
		}
		if again.Reason != ReplayedNonce {
			t.Errorf("wait %v: the same call again: %s", wait, again.raw)
		}
		if len(th.jobs(t)) > 0 {
			t.Errorf("wait %v: there is a job", wait)
		}
	}
}

// failures are the ways in which a plugin fails in any phase, with the kind that names it.
var failures = []struct{ script, kind string }{
	{"t", "trap"}, {"u", "trap"}, {"v3", "abi"}, {"v9", "abi"}, {"L", "deadline"}, {"X", "deadline"}, {"s9000", "deadline"}, {"R", "depth"},
	{"M", "memory"}, {"B", "output_limit"}, {"G", "log_limit"}, {"w[1]", "abi"}, {"w{", "abi"}, {"w{}", "abi"},
}

// short keeps tests of failures short. Fuel is plenty, so that what runs for ever ends by its deadline, and time is, where
// something else is to end it.
func short(kind string) func(*wasm.Plugin) {
	return func(p *wasm.Plugin) {
		p.Limits = wasm.Limits{Deadline: time.Minute, Fuel: 1 << 50, Memory: 2 << 20, Output: 1 << 17, Log: 1 << 10}
		if kind == "deadline" {
			p.Limits.Deadline = 100 * time.Millisecond
		}
	}
}

// TestFailingRequestPlugin: a plugin that fails denies the request, whose nonce is spent, unless it is to be skipped.
func TestFailingRequestPlugin(t *testing.T) {
	t.Parallel()
	all := slices.Concat(failures, []struct{ script, kind string }{
		{"=/other='x'", "abi"}, {"-/env", "abi"}, {"=/workdir=7", "change"}, {"=/labels={'a':7}", "change"}, {"=/callback={}", "change"},
		{"=/argv=['a',1]", "change"}, {"=/env=null", "change"},
	})
	var deny, skip []play
	for _, f := range all {
		deny = append(deny, on(wasm.PhaseRequest, "", f.script).but(short(f.kind)))
		skip = append(skip, on(wasm.PhaseRequest, "", "=/command='false';"+f.script).but(short(f.kind)).but(func(p *wasm.Plugin) { p.Failure = wasm.FailureSkip }))
	}
	denying, skipping := newTheatreForEach(t, deny), newTheatreForEach(t, skip)
	for i, f := range all {
		t.Run(f.script, func(t *testing.T) {
			client, plugin := fmt.Sprintf("c%d", i), fmt.Sprintf("p%d", i)
			got, again := denying.twiceAs(t, client, "/shell", body{"command": "touch " + filepath.Join(denying.dir, "ran"), "envs": []string{"TOKEN=hunter2"}})
			want := "plugin " + plugin + " failed (" + f.kind + "), so the request is denied; the gateway's log says why"
			if got.status != http.StatusForbidden || got.Reason != PluginFailed || got.Message != want || !slices.Equal(got.Reasons, []string{want}) {
				t.Errorf("answered %d %s, want %s", got.status, got.raw, want)
			}
			if again.Reason != ReplayedNonce {
				t.Errorf("the same call again: %d %s", again.status, again.raw)
			}
			if _, err := os.Stat(filepath.Join(denying.dir, "ran")); err == nil || len(denying.jobs(t)) > 0 {
				t.Error("it ran")
			}
			denying.nowhere(t, "hunter2", got, again)
			if log := denying.log.String(); strings.Contains(log, "touch") || !strings.Contains(log, `"error":"plugin `+plugin+`: request: `+f.kind) {
				t.Errorf("the log is %s", log)
			}
			if got := skipping.shellAs(t, client, body{"command": "echo as it was"}); got.status != 200 || got.Data.Stdout != "as it was\n" {
				t.Errorf("skipped: answered %d %s", got.status, got.raw)
			}
		})
	}
}

// TestMayChange: a change that may_change does not list is a failure, whatever else changed.
func TestMayChange(t *testing.T) {
	t.Parallel()
	scripts := map[string]string{
		"command": "=/command='false'", "workdir": "=/workdir='/tmp'", "env": "=/env/A='1'", "labels": "=/labels/a='b'", "callback": "=/callback='http://func.test/x'",
	}
	var plays []play
	for i := range len(everything) * len(everything) {
		allowed := []string{everything[i%len(everything)]}
		plays = append(plays, on(wasm.PhaseRequest, "", scripts[everything[i/len(everything)]]).but(func(p *wasm.Plugin) { p.MayChange = allowed }))
	}
	th := newTheatreForEach(t, plays)
	for i := range plays {
		got := th.shellAs(t, fmt.Sprintf("c%d", i), body{"command": "true"})
		fits := i/len(everything) == i%len(everything)
		if fits != (got.status == http.StatusOK) || !fits && !strings.Contains(got.Message, fmt.Sprintf("plugin p%d failed (change)", i)) {
			t.Errorf("%s with %s: answered %d %s", everything[i/len(everything)], everything[i%len(everything)], got.status, got.raw)
		}
	}
}

// TestNoPluginsAreLoaded: what does not know its plugins runs nothing; once they are closed, callers may come again.
func TestNoPluginsAreLoaded(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{})
	th.plugins = th.host(t, nil)
	got, again := th.twice(t, "/shell", body{"command": "true"})
	if got.status != http.StatusForbidden || got.Reason != PluginFailed || again.Reason != ReplayedNonce || len(th.jobs(t)) > 0 {
		t.Errorf("not loaded: %d %s, then %s", got.status, got.raw, again.raw)
	}
	if err := th.plugins.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, again = th.twice(t, "/shell", body{"command": "true"})
	if got.status != http.StatusServiceUnavailable || got.Reason != ShuttingDown || again.Reason != ShuttingDown || len(th.jobs(t)) > 0 {
		t.Errorf("closed: %d %s, then %s", got.status, got.raw, again.raw)
	}
}

// TestPassingReasonGivesTheNonceBack: a request that plugins let pass and nobody decided on may be sent again as it is.
func TestPassingReasonGivesTheNonceBack(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseRequest, "p", "=/labels/a='b'"))
	th.policy.Close(t.Context())
	got, again := th.twice(t, "/shell", body{"command": "true"})
	if got.Reason != PolicyNotLoaded || again.Reason != PolicyNotLoaded {
		t.Errorf("answered %s, then %s", got.raw, again.raw)
	}
}

// TestLogsNameNoSecrets: neither the request nor a plugin's configuration is in the log at its usual level.
func TestLogsNameNoSecrets(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"=/labels/a='configured'", "=/workdir='configured'", "d403no;l1 configured", "t;l1 configured", "=/callback='configured'"} {
		th := newTheatre(t, theatreOptions{}, on(wasm.PhaseRequest, "p", script))
		th.shell(t, body{"command": "echo asked", "envs": []string{"TOKEN=hunter2"}, "callbackURL": "http://func.test/?key=hunter3"})
		for _, secret := range []string{"hunter2", "hunter3", "asked", "configured"} {
			if strings.Contains(th.log.String(), secret) {
				t.Errorf("%s: %q is in the log: %s", script, secret, th.log)
			}
		}
	}
}

// TestChangesAreNoPartOfAReply: what plugins changed is on record, and not told to callers.
func TestChangesAreNoPartOfAReply(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseRequest, "p", "=/env/INJECTED='hunter2'").but(func(p *wasm.Plugin) { p.KeepText = true }))
	got := th.shell(t, body{"command": "true"})
	if got.status != 200 || strings.Contains(got.raw, "hunter2") {
		t.Errorf("answered %s", got.raw)
	}
	var stored map[string]any
	if err := json.Unmarshal(th.row(t, got.Data.JobID).Request, &stored); err != nil || stored["changes"] == nil {
		t.Errorf("the journal has %v, %v", stored, err)
	}
}

// TestNamesAreNotAltered: a name is taken as it is or refused; two that look alike when they are shown stay two.
func TestNamesAreNotAltered(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100)
	order, err := decodeRequestMessage([]byte(`{"command":"ls","argv":null,"workdir":"","env":{"` + long + `":"1"},"labels":{"` + long + `a":"1","` + long + `b":"2","a\u200bb":"3"},"callback":null}`))
	if err != nil || len(order.Labels) != 3 || order.Labels[long+"a"] != "1" || order.Labels["a\u200bb"] != "3" || order.Env[0].Key != long {
		t.Errorf("got %+v, %v", order, err)
	}
	_, err = decodeRequestMessage([]byte(`{"` + long + `\u001b":1}`))
	if err == nil || strings.Contains(err.Error(), long) {
		t.Errorf("the error is %v", err)
	}
}
