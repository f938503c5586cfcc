package wasm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/wasm/guest"
)

func TestOrderOfSteps(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]behaviour{"*": {}})
	at := func(name string, priority int) Plugin {
		p := b.plugin(name)
		p.Priority = priority
		return p
	}
	client := func(name string) Selector { return Selector{MatchLabels: map[string]string{"client.name": name}} }
	b.load(Set{
		Plugins: []Plugin{at("low", 0), at("a", 10), at("b", 10), at("c", 10), at("high", 65535), at("idle", 65535)},
		Chains: []Chain{
			{Name: "one", Phase: PhaseRequest, Plugins: []string{"low", "b", "a"}, Selector: client("x")},
			{Name: "elsewhere", Phase: PhaseResponse, Plugins: []string{"c"}},
			{Name: "two", Phase: PhaseRequest, Plugins: []string{"a", "c", "high", "b"}, Selector: Selector{
				MatchExpressions: []Expression{{"client.name", In, []string{"x", "y"}}},
			}},
			{Name: "three", Phase: PhaseRequest, Plugins: []string{"c"}, Selector: client("z")},
		},
	})
	for _, test := range []struct {
		phase  Phase
		client string
		want   string
	}{
		{PhaseRequest, "x", "high b a c low"}, // b and a as chain one has them, once each
		{PhaseRequest, "y", "high a c b"},
		{PhaseRequest, "z", "c"},
		{PhaseRequest, "w", ""},
		{PhaseResponse, "w", "c"},
		{PhaseCallback, "x", ""},
	} {
		s := b.Select(test.phase, Subject{Client: test.client})
		if got := strings.Join(s.Names(), " "); got != test.want || s.Empty() != (got == "") {
			t.Errorf("%s for %s: got %s, empty %v; want %s", test.phase, test.client, got, s.Empty(), test.want)
		}
		s.Close()
	}
	if log := b.logged(); !strings.Contains(log, "plugin idle is in no chain and does not run") {
		t.Errorf("the log has no warning: %s", log)
	}
}

func (b *workbench) logged() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

func TestOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]behaviour{"*": {}})
	if got := b.Order(); len(got) != len(builtins) || slices.ContainsFunc(got, func(s Stage) bool { return !s.BuiltIn }) {
		t.Errorf("without a set: %v", got)
	}
	verifier, redact := b.plugin("verifier"), b.plugin("redact")
	verifier.Priority, verifier.Failure = 65535, FailureSkip
	redact.Priority, redact.Fetch = 0, []string{"http://auth/"}
	match := Selector{MatchLabels: map[string]string{"client.name": "func"}}
	b.does["verifier"] = behaviour{phases: []Phase{PhaseRequest}}
	b.load(Set{
		Plugins: []Plugin{redact, verifier},
		Chains: []Chain{
			{Name: "in", Phase: PhaseRequest, Plugins: []string{"redact", "verifier"}, Selector: match},
			{Name: "out", Phase: PhaseResponse, Plugins: []string{"redact"}},
		},
		Configs: []PluginConfig{
			{Plugin: "redact", Selector: match, Config: []byte(`{"token":"hunter2"}`)},
			{Plugin: "redact", Config: []byte(`1`)},
			{Plugin: "redact", Config: []byte(`2`)},
		},
	})
	var got strings.Builder
	for _, s := range b.Order() {
		fmt.Fprintf(&got, "%s %d %s", s.Phase, s.Number, s.Name)
		if !s.BuiltIn {
			fmt.Fprintf(&got, " %s %s", s.Failure, s.Digest[:15])
			for _, c := range s.Chains {
				fmt.Fprintf(&got, " chain %s %v", c.Name, c.Selector.MatchLabels)
			}
			for _, c := range s.Configs {
				fmt.Fprintf(&got, " config %s %v", c.Source, c.Selector.MatchLabels)
			}
		}
		got.WriteByte('\n')
	}
	want := `request 65537 verify
request 65536 decode
request 65535 verifier skip sha256:eed6ce90 chain in map[client.name:func] config null map[]
request 0 redact deny sha256:796c2fb9 chain in map[client.name:func] config plugin_configs[0] map[client.name:func] config plugin_configs[1] map[]
request -1 analyze
request -2 decide
request -3 tighten
request -4 commit
response 65536 run
response 0 redact deny sha256:796c2fb9 chain out map[] config plugin_configs[0] map[client.name:func] config plugin_configs[1] map[]
response -1 commit
response -2 reply
callback 65536 due
callback -1 destination
callback -2 send
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
	text, err := json.Marshal(b.Order())
	if err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("as JSON: %s, %v", text, err)
	}
	if log := b.logged(); !strings.Contains(log, "plugin_configs[2]: is never used: plugin_configs[1] matches every message") {
		t.Errorf("the log has no warning: %s", log)
	}
}

func TestConfigBySelector(t *testing.T) {
	t.Parallel()
	saw := make(chan string, 1)
	b := newBench(t, map[string]behaviour{"p": {call: func(config string, _ *guest.Exchange) (Verdict, error) {
		saw <- config
		return Continue, nil
	}}})
	client := func(name string) Selector { return Selector{MatchLabels: map[string]string{"client.name": name}} }
	set := one(b.plugin("p"), PhaseRequest)
	set.Configs = []PluginConfig{
		{Plugin: "p", Selector: client("a"), Config: []byte(`{"for": "a"}`)},
		{Plugin: "p", Selector: client("b"), Config: []byte(`{"for":"b"}`)},
		{Plugin: "p", Selector: client("a"), Config: []byte(`{"for":"nobody"}`)},
		{Plugin: "p", Selector: client("c")},
	}
	b.load(set)
	for client, want := range map[string]string{"a": `{"for":"a"}`, "b": `{"for":"b"}`, "c": "null", "d": "null"} {
		if _, err := b.run(PhaseRequest, request(client)); err != nil {
			t.Fatal(err)
		}
		if got := <-saw; got != want {
			t.Errorf("%s: got %s, want %s", client, got, want)
		}
	}
	set.Configs = append(set.Configs, PluginConfig{Plugin: "p", Config: []byte(`"rest"`)})
	b.load(set)
	if _, err := b.run(PhaseRequest, request("d")); err != nil {
		t.Fatal(err)
	}
	if got := <-saw; got != `"rest"` {
		t.Errorf("got %s", got)
	}
	if configs := b.opened[1].configs; !slices.Contains(configs, "null") || len(configs) != 5 {
		t.Errorf("it was configured with %v", configs) // null is that of client c
	}
}
