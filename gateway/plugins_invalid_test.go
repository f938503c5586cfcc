package gateway

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/wasm"
)

// TestPluginMakesNoRequest: what a plugin makes of a request is held to the rules of callers, and is its failure where it breaks
// them: named in the answer and in the log, seen in its status, or skipped.
func TestPluginMakesNoRequest(t *testing.T) {
	t.Parallel()
	many := func(n int, name string) string {
		members := make([]string, n)
		for i := range members {
			members[i] = fmt.Sprintf("'%s%d':''", name, i)
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	all := []struct{ script, log string }{
		{"=/workdir='relative'", "workdir: must be an absolute path"},
		{`=/workdir='/\u0000'`, "workdir: must not contain a NUL character"},
		{"=/env={'A=B':'x'}", "env.A=B: the name of a variable must be letters"},
		{`=/env={'A':'\u0000'}`, "env.A: must not contain a NUL character"},
		{"=/env=" + many(maxVariables+1, "A"), "there are too many variables"},
		{"=/callback='ftp://func.test/'", "callback: must begin with http:// or https://"},
		{"=/command=null", "exactly one of command and argv must not be null"},
		{`=/command='ls\u0000'`, "command: must not contain a NUL character"},
		{"=/argv=['ls']", "exactly one of command and argv must not be null"},
		{"=/argv=[];=/command=null", "argv: must hold at least the program's name"},
		{`=/argv=['ls','\u0000'];=/command=null`, "argv: must not contain a NUL character"},
		{"=/labels/" + strings.Repeat("x", 257) + "='y'", "must be a short name with a short value"},
		{"=/labels=" + many(maxLabels+1, "a"), "labels: holds too many labels"},
	}
	var deny, skip []play
	for _, tt := range all {
		deny = append(deny, on(wasm.PhaseRequest, "", tt.script))
		skip = append(skip, on(wasm.PhaseRequest, "", tt.script).but(func(p *wasm.Plugin) { p.Failure = wasm.FailureSkip }))
	}
	first := on(wasm.PhaseRequest, "first", "=/env/FIRST='1'")
	denying, skipping := newTheatreForEach(t, deny, first), newTheatreForEach(t, skip, first)
	for i, tt := range all {
		client, plugin := fmt.Sprintf("c%d", i), fmt.Sprintf("p%d", i)
		want := "plugin " + plugin + " failed (change), so the request is denied; the gateway's log says why"
		for range wasm.DefaultBreakAfter {
			got, again := denying.twiceAs(t, client, "/shell", body{"command": "touch " + filepath.Join(denying.dir, "ran")})
			if got.status != http.StatusForbidden || got.Reason != PluginFailed || got.Message != want || again.Reason != ReplayedNonce || len(denying.jobs(t)) > 0 {
				t.Errorf("%s: answered %d %s and then %s", tt.script, got.status, got.raw, again.raw)
			}
		}
		if log := denying.log.String(); !strings.Contains(log, `"error":"plugin `+plugin+`: request: change: made a request that is not valid: `) || !strings.Contains(log, tt.log) {
			t.Errorf("the log is %s, want %s", log, tt.log)
		}
		if got := denying.shellAs(t, client, body{"command": "true"}); !strings.Contains(got.Message, "plugin "+plugin+" failed (breaker)") {
			t.Errorf("%s: after %d failures: %s", tt.script, wasm.DefaultBreakAfter, got.raw)
		}
		if s := denying.plugins.Status()[1+i]; s.Name != plugin || s.Healthy || s.Failures[wasm.KindChange] != wasm.DefaultBreakAfter || !strings.Contains(s.LastFailure, tt.log) {
			t.Errorf("%s: status %+v", tt.script, s)
		}
		got := skipping.shellAs(t, client, body{"command": "printenv FIRST"})
		if got.status != http.StatusOK || got.Data.Stdout != "1\n" {
			t.Errorf("%s, skipped: answered %d %s", tt.script, got.status, got.raw)
			continue
		}
		if by := requestOf(skipping.row(t, got.Data.JobID)).changedBy(); !slices.Equal(by, []string{"first"}) {
			t.Errorf("%s, skipped: changed by %q", tt.script, by)
		}
	}
	if s := denying.plugins.Status()[0]; !s.Healthy || len(s.Failures) > 0 {
		t.Errorf("the plugin before the failing ones: %+v", s)
	}
}

// TestCallersFaultIsNoPlugins: a plugin that changes something else of a request which cannot run has done nothing wrong.
func TestCallersFaultIsNoPlugins(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseRequest, "p", "=/labels/a='b'"))
	for range wasm.DefaultBreakAfter {
		got := th.shell(t, body{"command": "ls \x00"})
		if got.Reason != Denied || !strings.Contains(got.Message, "nul") {
			t.Errorf("answered %s", got.raw)
		}
	}
	if s := th.plugins.Status()[0]; !s.Healthy || len(s.Failures) > 0 || s.Calls != wasm.DefaultBreakAfter {
		t.Errorf("status %+v", s)
	}
}
