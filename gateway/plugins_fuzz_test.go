package gateway

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/wasm"
)

// witness allows everything, and keeps what it was asked.
type witness struct{ asked policy.Input }

func (w *witness) DecideAs(_ context.Context, _ string, in policy.Input) (policy.Decision, error) {
	w.asked = in
	return policy.Decision{Allow: true}, nil
}

// FuzzDecidedIsRunWithPlugin holds the rule that nothing alters a request after the decision, with a plugin in front that
// writes what the fuzzer says: whatever it makes of the request is refused, or is what policy is asked about, what the
// journal keeps and what runs; and no part of the request that it may not change is another than the caller's.
func FuzzDecidedIsRunWithPlugin(f *testing.F) {
	for _, seed := range []string{
		`{"command":"ls -l","argv":null,"workdir":"","env":{},"labels":{},"callback":null}`,
		`{"command":null,"argv":["ls","a b;c"],"workdir":"/","env":{"A":"1","LD_PRELOAD":"x"},"labels":{"a":"b"},"callback":"http://func.test/x?y"}`,
		`{"command":"ls","argv":null,"workdir":"","env":{"A":"\ud83d\ude00"},"labels":{},"callback":null,"stdin":"x"}`,
		`{"command":"ls\u0000","argv":null,"workdir":"/../tmp","env":{"TOKEN":"1"},"labels":{},"callback":null}`,
		`{"command":"a","command":"b","argv":null,"workdir":"","env":{},"labels":{},"callback":null}`, `[]`, ``,
	} {
		f.Add([]byte(seed), "echo asked")
	}
	analyzer, err := shell.New(shell.Config{Path: []string{"/usr/bin", "/bin"}})
	if err != nil {
		f.Fatal(err)
	}
	allowed, err := callback.NewAllowlist([]string{"http://func.test/*"})
	if err != nil {
		f.Fatal(err)
	}
	// The module writes its configuration as the message, whatever that holds.
	module := filepath.Join(f.TempDir(), "echo.wasm")
	binary, err := os.ReadFile("testdata/plugins/echo.wasm")
	if err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(module, binary, 0o600); err != nil {
		f.Fatal(err)
	}
	bounds := testBounds()
	bounds.Env = []string{"LD_PRELOAD"}
	f.Fuzz(func(t *testing.T, written []byte, command string) {
		th := &theatre{log: &safeBuffer{}}
		host := th.host(t, nil)
		defer host.Close(context.Background())
		config, err := json.Marshal(string(written))
		if err != nil {
			t.Fatal(err)
		}
		if json.Valid(written) && len(written) > 0 {
			config = written
		}
		set := wasm.Set{
			Plugins: []wasm.Plugin{{Name: "echo", Path: module, MayChange: everything}},
			Chains:  []wasm.Chain{{Name: "in", Phase: wasm.PhaseRequest, Plugins: []string{"echo"}}},
			Configs: []wasm.PluginConfig{{Plugin: "echo", Config: config}},
		}
		if host.Load(t.Context(), set) != nil {
			return // the configuration is checked as JSON, more strictly than here
		}
		decides := &witness{}
		g := &Gateway{plugins: host, log: slog.New(slog.DiscardHandler), judge: judge{analyzer: analyzer, policy: decides, bounds: bounds, callbacks: allowed}}
		asked := Request{ID: "j", Principal: auth.Principal{Client: "func", Roles: []string{"readonly"}}, Order: Order{Command: command, Wait: true, Env: []Variable{{"TOKEN", "hunter2"}}}}
		made, err := g.transform(t.Context(), asked, false)
		if err != nil {
			return
		}
		req := made.request
		r, err := g.judge.rule(t.Context(), req, req.Workdir)
		if err != nil {
			t.Fatal(err)
		}
		in := decides.asked.Request
		if req.ID != asked.ID || !req.Time.Equal(asked.Time) || req.Principal.Client != "func" || !slices.Equal(req.Principal.Roles, asked.Principal.Roles) || req.Wait != asked.Wait || req.Stdin != nil || req.Timeout != 0 {
			t.Fatalf("the plugin changed who asked: %+v", req)
		}
		if changed := len(req.Changes) > 0; changed != slices.Equal(in.ChangedBy, []string{"echo"}) {
			t.Fatalf("%s: policy is told of %q", written, in.ChangedBy)
		}
		if r.refusal != nil {
			return
		}
		checkDecidedIsRun(t, decides.asked, r)
		// The journal keeps the same, for a second decision after a wait.
		text, err := json.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		var again Request
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		if _, err := g.judge.rule(t.Context(), again, again.Workdir); err != nil {
			t.Fatal(err)
		}
		later := decides.asked.Request
		if len(in.Labels)+len(later.Labels) == 0 { // the engine shows none and an empty object alike
			later.Labels = in.Labels
		}
		if a, b := mustJSON(t, later), mustJSON(t, in); a != b {
			t.Fatalf("decided on\n%s\nand after a wait on\n%s", b, a)
		}
	})
}

// checkDecidedIsRun compares what policy was asked with the job.
func checkDecidedIsRun(t *testing.T, asked policy.Input, r *ruling) {
	t.Helper()
	var argv []string
	for _, word := range asked.Shell.Commands[0].Argv {
		argv = append(argv, *word)
	}
	if len(asked.Shell.Commands) != 1 || !slices.Equal(argv, r.job.Argv) || asked.Request.Workdir != r.job.Workdir {
		t.Fatalf("decided on %q in %q, runs %q in %q", argv, asked.Request.Workdir, r.job.Argv, r.job.Workdir)
	}
	env := []string{"PATH=/usr/bin:/bin"}
	for _, key := range slices.Sorted(maps.Keys(asked.Request.Env)) {
		env = append(env, key+"="+asked.Request.Env[key])
	}
	slices.Sort(env)
	if !slices.Equal(env, r.job.Env) {
		t.Fatalf("decided on %q, runs with %q", env, r.job.Env)
	}
	if c := asked.Request.Callback; c != nil && (c.Host != "func.test" || c.Scheme != "http") {
		t.Fatalf("calls back %+v", c)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
