package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/jobs"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/wasm"
)

// puppet is the plugin whose configuration says what it does: testdata/plugins/puppet.wat.
var puppet = sync.OnceValues(func() ([]byte, error) { return os.ReadFile("testdata/plugins/puppet.wasm") })

// play is a puppet in a chain.
type play struct {
	name   string
	phase  wasm.Phase
	script string // "" is no configuration
	plugin wasm.Plugin
	// selector is the chain's.
	selector wasm.Selector
}

// everything is what a plugin of the request phase may be allowed to change.
var everything = []string{"command", "workdir", "env", "labels", "callback"}

// on returns a puppet that may change everything.
func on(phase wasm.Phase, name, script string) play {
	return play{name: name, phase: phase, script: script, plugin: wasm.Plugin{MayChange: everything}}
}

// but changes a puppet's plugin.
func (p play) but(change func(*wasm.Plugin)) play {
	change(&p.plugin)
	return p
}

// stageOf writes the puppets' modules to dir. They run in the order given. Only one that may fetch imports http_fetch, and
// only one that cannot be skipped exports on_response.
func stageOf(tb testing.TB, dir string, plays []play) wasm.Set {
	tb.Helper()
	binary, err := puppet()
	if err != nil {
		tb.Fatal(err)
	}
	var set wasm.Set
	for i, p := range plays {
		module := binary
		if len(p.plugin.Fetch) == 0 {
			module = bytes.Replace(module, []byte("http_fetch"), []byte("input_read"), 1) // of the same type
		}
		if p.plugin.Failure == wasm.FailureSkip {
			module = bytes.Replace(module, []byte("on_response"), []byte("no_response"), 1)
		}
		plugin := p.plugin
		plugin.Name, plugin.Priority = p.name, 1000-i
		plugin.Path = filepath.Join(dir, p.name+".wasm")
		if err := os.WriteFile(plugin.Path, module, 0o600); err != nil {
			tb.Fatal(err)
		}
		set.Plugins = append(set.Plugins, plugin)
		set.Chains = append(set.Chains, wasm.Chain{Name: fmt.Sprintf("chain%d", i), Phase: p.phase, Plugins: []string{p.name}, Selector: p.selector})
		if p.script != "" {
			config, err := json.Marshal(p.script)
			if err != nil {
				tb.Fatal(err)
			}
			config = bytes.ReplaceAll(config, []byte(`\u003c`), []byte("<"))
			config = bytes.ReplaceAll(config, []byte(`\u003e`), []byte(">"))
			config = bytes.ReplaceAll(config, []byte(`\\u`), []byte(`\u`)) // an escape in a value goes into the message as it stands
			set.Configs = append(set.Configs, wasm.PluginConfig{Plugin: p.name, Config: config})
		}
	}
	return set
}

// theatre is a gateway of real parts with plugins.
type theatre struct {
	*Gateway
	dir  string
	log  *safeBuffer // at level info, as it is unless somebody asks for more
	rego string      // the file of the policy

	breakAfter int
	patience   time.Duration

	described *watch // of whatever goes through Handler; nil in benchmarks
}

// Handler is the gateway's, and holds all that goes through it to openapi.yaml.
func (th *theatre) Handler() http.Handler {
	if th.described == nil {
		return th.Gateway.Handler()
	}
	return th.described.handler(th.Gateway.Handler())
}

// theatreOptions are what tests vary.
type theatreOptions struct {
	rego                string // "" allows everything
	observe             bool
	concurrency, length int
	clients             int // beside "func": c0, c1, ...
	peers               []auth.Client
	bounds              func(*Bounds)
	fetch               func(*http.Request) (*http.Response, error)
	breakAfter          int           // failures of a plugin; 0 is the default
	patience            time.Duration // of responses and callbacks that wait for a plugin; 0 is the default
	rate                float64
	burst               int
}

const allowing = "package sidegate\n\ndecision := {\"allow\": true, \"grants\": [\"test\"], \"reasons\": [], \"obligations\": {}}\n"

func newTheatre(tb testing.TB, o theatreOptions, plays ...play) *theatre {
	tb.Helper()
	th := &theatre{dir: tb.TempDir(), log: &safeBuffer{}, described: newWatch(tb)}
	log := slog.New(slog.NewJSONHandler(th.log, nil))
	part := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	if o.rego == "" {
		o.rego = allowing
	}
	th.rego = filepath.Join(th.dir, "rules", "decision.rego")
	part(os.Mkdir(filepath.Dir(th.rego), 0o755))
	part(os.WriteFile(th.rego, []byte(o.rego), 0o644))
	clients := []auth.Client{{Name: "func", Secrets: [][]byte{[]byte("secret func")}, Labels: map[string]string{"client": "func"}}}
	for i := range o.clients {
		name := fmt.Sprintf("c%d", i)
		clients = append(clients, auth.Client{Name: name, Secrets: [][]byte{[]byte("secret " + name)}, Labels: map[string]string{"client": name}})
	}
	verifier, err := auth.New(auth.Config{Clients: append(clients, o.peers...), Skew: time.Minute})
	part(err)
	analyzer, err := shell.New(shell.Config{Path: []string{"/usr/bin", "/bin"}, Shell: "/bin/bash"})
	part(err)
	engine, err := policy.New(context.Background(), policy.Config{Paths: []string{filepath.Dir(th.rego)}, Deadline: time.Minute, Logger: log})
	part(err)
	runner, err := executor.New(executor.Config{WorkRoot: filepath.Join(th.dir, "work"), Logger: log})
	part(err)
	book, err := journal.Open(context.Background(), journal.Config{Dir: filepath.Join(th.dir, "state"), Logger: log})
	part(err)
	key, err := audit.OpenKey(filepath.Join(th.dir, "state"), "here")
	part(err)
	queue, err := jobs.New(jobs.Config{Concurrency: max(1, o.concurrency), Length: max(8, o.length), Logger: log})
	part(err)
	allowed, err := callback.NewAllowlist([]string{"http://func.test/**", "http://func.test:8088/**"})
	part(err)
	th.breakAfter, th.patience = o.breakAfter, o.patience
	host := th.host(tb, o.fetch)
	part(host.Load(context.Background(), stageOf(tb, th.dir, plays)))
	bounds := testBounds()
	bounds.Profile, bounds.Profiles = "host", []string{"host"}
	if o.bounds != nil {
		o.bounds(&bounds)
	}
	var observe *Observation
	if o.observe {
		observe = &Observation{Until: time.Now().Add(time.Hour)}
	}
	th.Gateway, err = New(Config{
		Verifier: verifier, Analyzer: analyzer, Policy: engine, Runner: runner, Journal: book, Audit: key, Queue: queue, Callbacks: allowed, CallbackDue: func(string) {},
		RetryCallback: func(context.Context, string) error { return nil },
		Plugins:       host, Bounds: bounds, Limits: Limits{Body: 1 << 20, Rate: cmp.Or(o.rate, 1e6), Burst: cmp.Or(o.burst, 1e6)}, Log: log, Observe: observe,
		Host: policy.Host{Name: "here"},
	})
	part(err)
	tb.Cleanup(func() {
		select {
		case <-th.drained:
		default:
			_ = th.Drain(context.Background())
		}
		if err := host.Close(context.Background()); err != nil {
			tb.Error(err)
		}
		engine.Close(context.Background())
		_ = book.Close()
		if err := runner.Close(); err != nil {
			tb.Error(err)
		}
	})
	return th
}

// newTheatreForEach gives each of the plays a client of its own: c0, c1, ...
func newTheatreForEach(tb testing.TB, plays []play, first ...play) *theatre {
	tb.Helper()
	for i := range plays {
		plays[i].name = fmt.Sprintf("p%d", i)
		plays[i].selector = wasm.Selector{MatchLabels: map[string]string{"client.name": fmt.Sprintf("c%d", i)}}
	}
	return newTheatre(tb, theatreOptions{clients: len(plays), concurrency: 8, length: 64}, append(first, plays...)...)
}

// host is a host of plugins that may fetch from http://auth.test.
func (th *theatre) host(tb testing.TB, fetch func(*http.Request) (*http.Response, error)) *wasm.Host {
	tb.Helper()
	c := wasm.Config{Log: slog.New(slog.NewJSONHandler(th.log, nil)), BreakAfter: th.breakAfter, Patience: th.patience}
	if fetch != nil {
		c.Fetch = fetch
		c.Allows = func([]string) (func(string) error, error) { return func(string) error { return nil }, nil }
	}
	h, err := wasm.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// safeBuffer collects a log.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestModulesAreTheirSources rebuilds the committed modules where there is a compiler.
func TestModulesAreTheirSources(t *testing.T) {
	t.Parallel()
	compiler, err := exec.LookPath("wat2wasm")
	if err != nil {
		t.Skip("wat2wasm is not on PATH: make bin/wabt/node_modules installs it, and make race has it")
	}
	sources, err := filepath.Glob("testdata/plugins/*.wat")
	if err != nil || len(sources) == 0 {
		t.Fatal(sources, err)
	}
	for _, source := range sources {
		built := filepath.Join(t.TempDir(), "built.wasm")
		if text, err := exec.CommandContext(t.Context(), compiler, source, "-o", built).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", source, err, text)
		}
		want, err := os.ReadFile(built)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(strings.TrimSuffix(source, ".wat") + ".wasm"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s was compiled from another source (%v)", source, err)
		}
	}
}
