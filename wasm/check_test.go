package wasm

import (
	"errors"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	h, err := New(Config{Fetch: nil})
	if err != nil {
		t.Fatal(err)
	}
	good := Plugin{Name: "p", Path: "/p.wasm"}
	with := func(change func(*Plugin)) Set {
		p := good
		change(&p)
		return Set{Plugins: []Plugin{p}}
	}
	chains := func(c ...Chain) Set {
		return Set{Plugins: []Plugin{good, {Name: "skipping", Path: "/s.wasm", Failure: FailureSkip}}, Chains: c}
	}
	for _, test := range []struct {
		name string
		set  Set
		want string
	}{
		{"nothing", Set{}, ""},
		{"good", Set{
			Plugins: []Plugin{{Name: "a.b_c-1", Path: "/p", Digest: "sha256:" + strings.Repeat("0a", 32), Priority: 65535, Failure: FailureSkip, MayChange: []string{"env", "command"}}},
			Chains:  []Chain{{Name: "c", Phase: PhaseRequest, Plugins: []string{"a.b_c-1"}}, {Name: "d", Phase: PhaseCallback, Plugins: []string{"a.b_c-1"}}},
			Configs: []PluginConfig{{Plugin: "a.b_c-1", Config: []byte(` {"a": [1]} `)}, {Plugin: "a.b_c-1"}},
		}, ""},
		{"empty name", with(func(p *Plugin) { p.Name = "" }), `plugins[0].name: must be 1 to 64 of a-z 0-9 . _ -, not ""`},
		{"bad name", with(func(p *Plugin) { p.Name = "A\nb" }), `plugins[0].name: must be 1 to 64 of a-z 0-9 . _ -, not "A\nb"`},
		{"built-in name", with(func(p *Plugin) { p.Name = "decide" }),
			"plugins[0].name: decide is a built-in stage of the request phase; those cannot be replaced"},
		{"relative path", with(func(p *Plugin) { p.Path = "p.wasm" }), `plugins[0].path: must be an absolute path, not "p.wasm"`},
		{"digest without algorithm", with(func(p *Plugin) { p.Digest = strings.Repeat("0", 64) }),
			`plugins[0].digest: must be sha256: and 64 hexadecimal digits in lower case, not "` + strings.Repeat("0", 64) + `"`},
		{"digest in upper case", with(func(p *Plugin) { p.Digest = "sha256:" + strings.Repeat("A", 64) }),
			`plugins[0].digest: must be sha256: and 64 hexadecimal digits in lower case, not "sha256:` + strings.Repeat("A", 57) + `"…`},
		{"before verification", with(func(p *Plugin) { p.Priority = 65536 }),
			"plugins[0].priority: must be 0 to 65535, not 65536; the numbers outside belong to the built-in stages"},
		{"after the decision", with(func(p *Plugin) { p.Priority = -3 }),
			"plugins[0].priority: must be 0 to 65535, not -3; the numbers outside belong to the built-in stages"},
		{"failure", with(func(p *Plugin) { p.Failure = "allow" }), `plugins[0].failure: must be deny or skip, not "allow"`},
		{"may_change", with(func(p *Plugin) { p.MayChange = []string{"env", "client", "env"} }),
			`plugins[0].may_change[1]: must be one of command, workdir, env, labels, callback, not "client"` + "\n" +
				"plugins[0].may_change[2]: env is listed twice"},
		{"argv comes with command", with(func(p *Plugin) { p.MayChange = []string{"argv"} }),
			`plugins[0].may_change[0]: must be one of command, workdir, env, labels, callback, not "argv"`},
		{"fetch without a fetcher", with(func(p *Plugin) { p.Fetch = []string{"http://x/"} }), "plugins[0].capabilities.http_fetch: this gateway fetches nothing for plugins"},
		{"limits", with(func(p *Plugin) { p.Limits = Limits{Memory: 1, Deadline: -1, Concurrency: 2000, Output: 1 << 20} }),
			"plugins[0].limits.memory: limit memory must be 65536 to 4294967296, not 1\n" +
				"plugins[0].limits.deadline: limit deadline must be 1ms to 1h0m0s, not -1ns\n" +
				"plugins[0].limits.concurrency: limit concurrency must be 1 to 1024, not 2000"},
		{"same name", Set{Plugins: []Plugin{good, good}}, `plugins[1].name: "p" is also the name of plugins[0]`},

		{"tcp", chains(Chain{Name: "c", Phase: "tcp", Plugins: []string{"p"}}),
			`chains[0].phase: unknown phase "tcp"; a chain transforms a request, a response or a callback, and nothing below HTTP`},
		{"init is no phase of a chain", chains(Chain{Name: "c", Phase: "init", Plugins: []string{"p"}}),
			`chains[0].phase: unknown phase "init"; a chain transforms a request, a response or a callback, and nothing below HTTP`},
		{"unknown plugin", chains(Chain{Name: "c", Phase: PhaseRequest, Plugins: []string{"q"}}), `chains[0].plugins[0]: there is no plugin "q"`},
		{"built-in stage in a chain", chains(Chain{Name: "c", Phase: PhaseRequest, Plugins: []string{"decide", "p"}}),
			"chains[0].plugins[0]: decide is a built-in stage; those run always and where they stand"},
		{"twice in a chain", chains(Chain{Name: "c", Phase: PhaseRequest, Plugins: []string{"p", "p"}}), "chains[0].plugins[1]: p is listed twice"},
		{"empty chain", chains(Chain{Name: "c", Phase: PhaseRequest}), "chains[0].plugins: lists no plugin"},
		{"two chains of one name", chains(Chain{Name: "c", Phase: PhaseRequest, Plugins: []string{"p"}}, Chain{Name: "c", Phase: PhaseCallback, Plugins: []string{"p"}}),
			`chains[1].name: "c" is also the name of chains[0]`},
		{"skipped in the response phase", chains(Chain{Name: "c", Phase: PhaseResponse, Plugins: []string{"p", "skipping"}}),
			"chains[0].plugins[1]: skipping: " + skipsResponse},

		{"config of nobody", Set{Configs: []PluginConfig{{Plugin: "q"}}}, `plugin_configs[0].plugin: there is no plugin "q"`},
		{"config with trailing data", Set{Plugins: []Plugin{good}, Configs: []PluginConfig{{Plugin: "p", Config: []byte(`{"token":"secret"} {}`)}}},
			"plugin_configs[0].config: is not one JSON value with unique names and valid UTF-8"},
		{"config with a name twice", Set{Plugins: []Plugin{good}, Configs: []PluginConfig{{Plugin: "p", Config: []byte(`{"a":1,"a":2}`)}}},
			"plugin_configs[0].config: is not one JSON value with unique names and valid UTF-8"},
		{"huge config", Set{Plugins: []Plugin{good}, Configs: []PluginConfig{{Plugin: "p", Config: []byte(strings.Repeat(" ", maxConfig) + "1")}}},
			"plugin_configs[0].config: is longer than 1048576 bytes"},
		{"selectors everywhere", Set{
			Plugins: []Plugin{good}, Chains: []Chain{{Name: "c", Phase: PhaseRequest, Plugins: []string{"p"}, Selector: Selector{MatchLabels: map[string]string{"x.y": ""}}}},
			Configs: []PluginConfig{{Plugin: "p", Selector: Selector{MatchExpressions: []Expression{{"command", "Is", nil}}}}},
		}, `chains[0].selector.matchLabels: there is no key "x.y"; did you mean "client.labels.y"? ` + allKeys + "\n" +
			`plugin_configs[0].selector.matchExpressions[0].operator: must be one of In, NotIn, Exists, DoesNotExist, not "Is"`},
		{"everything at once", Set{
			Plugins: []Plugin{{Name: "p", Path: "p", Priority: -1}, {Name: "p", Path: "/p", Digest: "x"}},
			Chains:  []Chain{{Name: "C", Phase: "tcp", Plugins: []string{"q"}}},
		}, `plugins[0].path: must be an absolute path, not "p"` + "\n" +
			"plugins[0].priority: must be 0 to 65535, not -1; the numbers outside belong to the built-in stages\n" +
			`plugins[1].digest: must be sha256: and 64 hexadecimal digits in lower case, not "x"` + "\n" +
			`plugins[1].name: "p" is also the name of plugins[0]` + "\n" +
			`chains[0].name: must be 1 to 64 of a-z 0-9 . _ -, not "C"` + "\n" +
			`chains[0].phase: unknown phase "tcp"; a chain transforms a request, a response or a callback, and nothing below HTTP` + "\n" +
			`chains[0].plugins[0]: there is no plugin "q"`},
	} {
		if got := problemsOf(t, h.Check(test.set)); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
	}
}

func TestCheckReadsDestinationPatterns(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	set := Set{Plugins: []Plugin{{Name: "p", Path: "/p", Fetch: []string{"http://good/", "bad"}}}}
	if got, want := problemsOf(t, b.Check(set)), "plugins[0].capabilities.http_fetch[1]: must begin with http:// or https://"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestSetErrorIsBounded(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	var found problems
	for range shownProblems + 20 {
		found.fail("key", cause)
	}
	err := found.err()
	if lines := strings.Split(err.Error(), "\n"); len(lines) != shownProblems+1 || lines[shownProblems] != "and 20 more problems" {
		t.Errorf("it has %d lines and ends %q", len(lines), lines[len(lines)-1])
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{BreakAfter: -1}, {CoolDown: -1}, {Allows: allowsPrefix}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
