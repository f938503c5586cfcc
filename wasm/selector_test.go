package wasm

import "testing"

func TestSelectorMatches(t *testing.T) {
	t.Parallel()
	full := Subject{
		Client: "func", Host: "h1", ClientLabels: map[string]string{"app": "func", "empty": "", "a.b/c": "d"},
		HostLabels: map[string]string{"zone": "z1"}, Command: "git", Callback: "http://172.17.0.1:8088",
	}
	six := Subject{Callback: "https://[::1]:443"}
	is := func(key, op string, values ...string) Selector {
		return Selector{MatchExpressions: []Expression{{key, op, values}}}
	}
	labels := func(kv ...string) Selector {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return Selector{MatchLabels: m}
	}
	for _, test := range []struct {
		name     string
		selector Selector
		subject  Subject
		want     bool
	}{
		{"empty matches everything", Selector{}, full, true},
		{"empty matches nothing known", Selector{}, Subject{}, true},
		{"equal", labels("client.name", "func"), full, true},
		{"unequal", labels("client.name", "Func"), full, false},
		{"all must be equal", labels("client.name", "func", "host.name", "h2"), full, false},
		{"all are equal", labels("client.name", "func", "host.name", "h1", "command", "git"), full, true},
		{"label", labels("client.labels.app", "func"), full, true},
		{"label with dots and a slash", labels("client.labels.a.b/c", "d"), full, true},
		{"empty label", labels("client.labels.empty", ""), full, true},
		{"missing label is not an empty one", labels("client.labels.gone", ""), full, false},
		{"labels of the client are not the host's", labels("host.labels.app", "func"), full, false},
		{"host label", labels("host.labels.zone", "z1"), full, true},
		{"origin", labels("callback.origin", "http://172.17.0.1:8088"), full, true},
		{"host of the callback", labels("callback.host", "172.17.0.1"), full, true},
		{"IPv6 host", labels("callback.host", "::1"), six, true},
		{"no callback", labels("callback.host", ""), Subject{}, false},

		{"In", is("command", In, "ls", "git"), full, true},
		{"In, not there", is("command", In, "ls"), full, false},
		{"In, unknown command", is("command", In, "ls"), Subject{}, false},
		{"NotIn", is("command", NotIn, "ls"), full, true},
		{"NotIn, there", is("command", NotIn, "git"), full, false},
		{"NotIn, unknown command", is("command", NotIn, "git"), Subject{}, true},
		{"Exists", is("client.labels.empty", Exists), full, true},
		{"Exists, missing", is("client.labels.gone", Exists), full, false},
		{"DoesNotExist", is("client.labels.gone", DoesNotExist), full, true},
		{"DoesNotExist, there", is("client.labels.empty", DoesNotExist), full, false},
		{"no callback exists", is("callback.origin", DoesNotExist), Subject{}, true},
		{"labels and expressions", Selector{map[string]string{"client.name": "func"}, []Expression{{"command", In, []string{"ls"}}}}, full, false},
	} {
		if got := test.selector.compile().matches(&test.subject); got != test.want {
			t.Errorf("%s: got %v", test.name, got)
		}
	}
}

func TestSelectorRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		selector Selector
		want     string
	}{
		{Selector{MatchLabels: map[string]string{"client.label.app": "x"}},
			`s.matchLabels: there is no key "client.label.app"; did you mean "client.labels.app"? ` + allKeys},
		{Selector{MatchLabels: map[string]string{"clients.name": "x"}}, `s.matchLabels: there is no key "clients.name"; did you mean "client.name"? ` + allKeys},
		{Selector{MatchLabels: map[string]string{"app": "x"}}, `s.matchLabels: there is no key "app"; did you mean "client.labels.app"? ` + allKeys},
		{Selector{MatchLabels: map[string]string{"client.labels.": "x"}}, `s.matchLabels: there is no key "client.labels."; did you mean "client.labels.K"? ` + allKeys},
		{Selector{MatchExpressions: []Expression{{"comand", Exists, nil}}}, `s.matchExpressions[0].key: there is no key "comand"; did you mean "command"? ` + allKeys},
		{Selector{MatchExpressions: []Expression{{"host.lables.zone", Exists, nil}}},
			`s.matchExpressions[0].key: there is no key "host.lables.zone"; did you mean "host.labels.zone"? ` + allKeys},
		{Selector{MatchExpressions: []Expression{{"callback.port", Exists, nil}}},
			`s.matchExpressions[0].key: there is no key "callback.port"; did you mean "callback.host"? ` + allKeys},
		{Selector{MatchExpressions: []Expression{{"", Exists, nil}}}, `s.matchExpressions[0].key: there is no key ""; did you mean "client.labels.K"? ` + allKeys},
		{Selector{MatchExpressions: []Expression{{"command", "in", []string{"x"}}}},
			`s.matchExpressions[0].operator: must be one of In, NotIn, Exists, DoesNotExist, not "in"`},
		{Selector{MatchExpressions: []Expression{{"command", In, nil}}}, "s.matchExpressions[0].values: In needs at least one value"},
		{Selector{MatchExpressions: []Expression{{"command", NotIn, nil}}}, "s.matchExpressions[0].values: NotIn needs at least one value"},
		{Selector{MatchExpressions: []Expression{{"command", Exists, []string{"x"}}}}, "s.matchExpressions[0].values: Exists takes no values"},
		{Selector{MatchLabels: map[string]string{"command": ""}}, "s.matchLabels: an empty value never matches; use Exists or DoesNotExist"},
		{Selector{MatchLabels: map[string]string{"callback.origin": "http://func"}}, "s.matchLabels: " + originHint + `"http://func"`},
		{Selector{MatchLabels: map[string]string{"callback.origin": "http://func:80/"}}, "s.matchLabels: " + originHint + `"http://func:80/"`},
		{Selector{MatchLabels: map[string]string{"callback.origin": "http://Func:80"}}, "s.matchLabels: " + originHint + `"http://Func:80"`},
		{Selector{MatchLabels: map[string]string{"callback.origin": "http://*:80"}}, "s.matchLabels: " + originHint + `"http://*:80"`},
		{Selector{MatchLabels: map[string]string{"callback.host": "[::1]"}},
			`s.matchLabels: a host is a name or an address in lower case, without port and brackets, not "[::1]"`},
		{Selector{MatchLabels: map[string]string{"callback.host": "func:8088"}},
			`s.matchLabels: a host is a name or an address in lower case, without port and brackets, not "func:8088"`},
		{Selector{MatchLabels: map[string]string{"callback.origin": "https://[::1]:443", "callback.host": "::1", "client.labels.x": ""}}, ""},
	} {
		var found problems
		checkSelector(&found, "s", test.selector)
		if got := problemsOf(t, found.err()); got != test.want {
			t.Errorf("%v:\ngot  %s\nwant %s", test.selector, got, test.want)
		}
	}
}

const (
	allKeys    = "A key is client.name, client.labels.K, host.name, host.labels.K, command, callback.origin or callback.host"
	originHint = "an origin is written scheme://host:port, in lower case and always with a port, as http://172.17.0.1:8088, not "
)
