package wasm

import (
	"fmt"
	"strings"
	"testing"
)

func TestWarnings(t *testing.T) {
	t.Parallel()
	labels := func(key, value string) Selector { return Selector{MatchLabels: map[string]string{key: value}} }
	is := func(terms ...Expression) Selector { return Selector{MatchExpressions: terms} }
	callers := []Subject{
		{Client: "func", ClientLabels: map[string]string{"app": "a", "tier": "1"}, Host: "h", HostLabels: map[string]string{"zone": "z"}},
		{Client: "ops", ClientLabels: map[string]string{"app": "b"}, Host: "h", HostLabels: map[string]string{"zone": "z"}},
	}
	const (
		seesOutput = ", and so whether the plugins of this chain see what it printed; leave "
		first      = "only the first command counts, so a caller who puts another in front chooses it"
		configured = ", and so whether plugin p has a configuration when it sees what was printed; put one without a selector behind it"
	)
	for _, test := range []struct {
		phase    Phase
		selector Selector
		want     string // behind chains[0].selector
		config   string // behind plugin_configs[0].selector; "=" is want
	}{
		{PhaseRequest, Selector{}, "", "="},
		{PhaseResponse, labels("client.name", "func"), "", "="},
		{PhaseRequest, labels("command", "git"), "", "="},
		{PhaseCallback, labels("callback.host", "func"), "", "="},
		{PhaseResponse, labels("command", "cat"), first + seesOutput + "command out, and let the plugins look at everything", first + configured},
		{PhaseResponse, is(Expression{"command", NotIn, []string{"cat"}}), first + seesOutput + "command out, and let the plugins look at everything", first + configured},
		{PhaseResponse, is(Expression{"callback.host", DoesNotExist, nil}), "a caller chooses the callback" + seesOutput + "callback.host out, and let the plugins look at everything",
			"a caller chooses the callback" + configured},
		{PhaseRequest, is(Expression{"callback.host", DoesNotExist, nil}), "", "="},
		{PhaseCallback, is(Expression{"callback.host", DoesNotExist, nil}), "never matches: every message of the callback phase has a callback.host", "="},
		{PhaseRequest, is(Expression{"client.name", DoesNotExist, nil}), "never matches: every message has a client.name", "="},
		{PhaseRequest, is(Expression{"host.name", DoesNotExist, nil}), "never matches: every message has a host.name", "="},
		{PhaseRequest, labels("command", "git push"), `"git push" is most likely the name of no command: a name is what stands first, without arguments`, "="},
		{PhaseRequest, is(Expression{"command", In, []string{"ls", "git"}}, Expression{"command", In, []string{"git"}}), "", "="},
		{PhaseRequest, is(Expression{"command", In, []string{"ls"}}, Expression{"command", In, []string{"git"}}), "never matches: its conditions on command exclude each other", "="},
		{PhaseRequest, is(Expression{"command", NotIn, []string{"ls", "git"}}, Expression{"command", In, []string{"git"}}), "never matches: its conditions on command exclude each other", "="},
		{PhaseRequest, is(Expression{"command", NotIn, []string{"ls"}}, Expression{"command", In, []string{"git", "ls"}}), "", "="},
		{PhaseRequest, is(Expression{"command", NotIn, []string{"ls"}}, Expression{"command", DoesNotExist, nil}), "", "="},
		{PhaseRequest, is(Expression{"command", Exists, nil}, Expression{"command", DoesNotExist, nil}), "never matches: its conditions on command exclude each other", "="},
		{PhaseRequest, Selector{map[string]string{"client.name": "func"}, []Expression{{"client.name", NotIn, []string{"func"}}}},
			"never matches: its conditions on client.name exclude each other", "="},
		{PhaseRequest, labels("client.name", "fnuc"), "matches nothing here: no client meets its condition on client.name", "="},
		{PhaseRequest, labels("client.labels.app", "c"), "matches nothing here: no client meets its condition on client.labels.app", "="},
		{PhaseRequest, labels("client.labels.ap", "a"), "matches nothing here: no client meets its condition on client.labels.ap", "="},
		{PhaseRequest, is(Expression{"client.labels.app", Exists, nil}), "", "="},
		{PhaseRequest, is(Expression{"client.labels.app", DoesNotExist, nil}), "matches nothing here: no client meets its condition on client.labels.app", "="},
		{PhaseRequest, is(Expression{"client.name", NotIn, []string{"func", "ops"}}), "matches nothing here: no client meets its condition on client.name", "="},
		{PhaseRequest, labels("host.labels.zone", "y"), "matches nothing here: this host does not meet its condition on host.labels.zone", "="},
		{PhaseRequest, Selector{MatchLabels: map[string]string{"client.name": "ops", "client.labels.tier": "1"}}, "matches nothing here: no client meets all its conditions", "="},
		{PhaseRequest, Selector{MatchLabels: map[string]string{"client.name": "func", "client.labels.tier": "1", "host.name": "h", "command": "x"}}, "", "="},
	} {
		set := Set{Plugins: []Plugin{{Name: "p", Path: "/p"}}, Chains: []Chain{{Name: "c", Phase: test.phase, Plugins: []string{"p"}, Selector: test.selector}}}
		warned(t, set, callers, "chains[0].selector: ", test.want)
		set.Chains[0].Selector, set.Configs = Selector{}, []PluginConfig{{Plugin: "p", Selector: test.selector}}
		if test.config != "=" {
			test.want = test.config
		}
		warned(t, set, callers, "plugin_configs[0].selector: ", test.want)
		if strings.HasPrefix(test.want, "matches nothing here") {
			warned(t, set, nil, "", "")
		}
	}
}

// warned checks that a set gets one warning, or none where there is no message.
func warned(t *testing.T, set Set, callers []Subject, key, message string) {
	t.Helper()
	want := ""
	if message != "" {
		want = key + message
	}
	var lines []string
	for _, p := range set.Warnings(callers) {
		lines = append(lines, p.String())
	}
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("%+v %+v:\ngot  %s\nwant %s", set.Chains, set.Configs, got, want)
	}
}

func TestWarningsOfWhatIsNotUsed(t *testing.T) {
	t.Parallel()
	client := Selector{MatchLabels: map[string]string{"client.name": "a"}}
	same := Selector{MatchExpressions: []Expression{{"client.name", In, []string{"a"}}}}
	config := func(s Selector) PluginConfig { return PluginConfig{Plugin: "p", Selector: s} }
	set := Set{
		Plugins: []Plugin{{Name: "p"}, {Name: "idle"}, {Name: "q"}},
		Chains:  []Chain{{Name: "c", Phase: PhaseRequest, Plugins: []string{"p", "q"}}},
		Configs: []PluginConfig{config(client), {Plugin: "q", Selector: client}, config(same), config(Selector{}), config(client), config(Selector{})},
	}
	want := `[plugins[1]: plugin idle is in no chain and does not run ` +
		`plugin_configs[2]: is never used: plugin_configs[0] has the same selector ` +
		`plugin_configs[4]: is never used: plugin_configs[0] has the same selector ` +
		`plugin_configs[5]: is never used: plugin_configs[3] matches every message]`
	if got := fmt.Sprint(set.Warnings(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// Where a configuration is for everything that is left, what a caller chooses does not leave a plugin without one.
	set = Set{
		Plugins: []Plugin{{Name: "p"}}, Chains: []Chain{{Name: "c", Phase: PhaseResponse, Plugins: []string{"p"}}},
		Configs: []PluginConfig{config(Selector{MatchLabels: map[string]string{"command": "cat"}}), config(Selector{})},
	}
	if got := set.Warnings(nil); got != nil {
		t.Errorf("got %v", got)
	}
}
