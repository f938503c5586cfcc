package wasm

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Warnings says what is in order and yet most likely not meant, of a set that [Host.Check] finds nothing wrong with:
// plugins that do not run, selectors that match nothing, and selectors that a caller can go around. Callers are the
// clients that there are, on the host that this is; without any, nothing is said of who they are.
func (s Set) Warnings(callers []Subject) []Problem {
	var found problems
	for i, p := range s.Plugins {
		if len(s.phasesOf(p.Name)) == 0 {
			found.add(fmt.Sprintf("plugins[%d]", i), "plugin %s is in no chain and does not run", p.Name)
		}
	}
	for i, c := range s.Chains {
		at := fmt.Sprintf("chains[%d].selector", i)
		warnOfSelector(&found, at, c.Selector, []Phase{c.Phase}, callers)
		if key := c.Selector.chosenByCaller(); key != "" && c.Phase == PhaseResponse {
			found.add(at, "%s, and so whether the plugins of this chain see what it printed; "+
				"leave %s out, and let the plugins look at everything", callersChoice(key), key)
		}
	}
	for i, c := range s.Configs {
		at := fmt.Sprintf("plugin_configs[%d]", i)
		phases := s.phasesOf(c.Plugin)
		if message := s.shadowed(i); message != "" {
			found.add(at, "%s", message)
			continue
		}
		warnOfSelector(&found, at+".selector", c.Selector, phases, callers)
		if key := c.Selector.chosenByCaller(); key != "" && slices.Contains(phases, PhaseResponse) && !s.hasLast(c.Plugin) {
			found.add(at+".selector", "%s, and so whether plugin %s has a configuration when it sees what was printed; "+
				"put one without a selector behind it", callersChoice(key), c.Plugin)
		}
	}
	return found
}

// phasesOf returns the phases that a plugin runs in.
func (s Set) phasesOf(plugin string) []Phase {
	var in []Phase
	for _, c := range s.Chains {
		if slices.Contains(c.Plugins, plugin) && !slices.Contains(in, c.Phase) {
			in = append(in, c.Phase)
		}
	}
	return in
}

// hasLast reports whether a plugin has a configuration for the messages that no other is for.
func (s Set) hasLast(plugin string) bool {
	return slices.ContainsFunc(s.Configs, func(c PluginConfig) bool { return c.Plugin == plugin && c.Selector.Empty() })
}

// shadowed says why a configuration is never used, where one before it takes all its messages.
func (s Set) shadowed(i int) string {
	for j, before := range s.Configs[:i] {
		switch {
		case before.Plugin != s.Configs[i].Plugin:
		case before.Selector.Empty():
			return fmt.Sprintf("is never used: plugin_configs[%d] matches every message", j)
		case reflect.DeepEqual(before.Selector.terms(), s.Configs[i].Selector.terms()):
			return fmt.Sprintf("is never used: plugin_configs[%d] has the same selector", j)
		}
	}
	return ""
}

// terms are a selector as expressions alone.
func (s Selector) terms() []Expression {
	var all []Expression
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		all = append(all, Expression{key, In, []string{s.MatchLabels[key]}})
	}
	return append(all, s.MatchExpressions...)
}

// chosenByCaller returns a key of the selector whose value is up to who sends a request, or "".
func (s Selector) chosenByCaller() string {
	for _, e := range s.terms() {
		if e.Key == "command" || strings.HasPrefix(e.Key, "callback.") {
			return e.Key
		}
	}
	return ""
}

func callersChoice(key string) string {
	if key == "command" {
		return "only the first command counts, so a caller who puts another in front chooses it"
	}
	return "a caller chooses the callback"
}

// warnOfSelector tells why a selector matches nothing in these phases.
func warnOfSelector(found *problems, at string, s Selector, phases []Phase, callers []Subject) {
	terms := s.terms()
	for _, e := range terms {
		for _, value := range e.Values {
			if e.Key == "command" && strings.ContainsAny(value, " \t") {
				found.add(at, "%s is most likely the name of no command: a name is what stands first, without arguments", quote(value))
			}
		}
	}
	byKey := map[string][]Expression{}
	for _, e := range terms {
		byKey[e.Key] = append(byKey[e.Key], e)
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		if why := impossible(key, byKey[key], phases); why != "" {
			found.add(at, "never matches: %s", why)
			return
		}
	}
	if who := missed(byKey, callers); who != "" {
		found.add(at, "matches nothing here: %s", who)
	}
}

// impossible says why no message meets all of the terms, which are about one key.
func impossible(key string, terms []Expression, phases []Phase) string {
	var (
		exists, absent bool
		among          []string
		limited        bool
	)
	for _, e := range terms {
		switch e.Operator {
		case DoesNotExist:
			absent = true
		case Exists:
			exists = true
		case In:
			if !limited {
				among = e.Values
			}
			among = slices.DeleteFunc(slices.Clone(among), func(v string) bool { return !slices.Contains(e.Values, v) })
			exists, limited = true, true
		}
	}
	for _, e := range terms {
		if e.Operator == NotIn {
			among = slices.DeleteFunc(slices.Clone(among), func(v string) bool { return slices.Contains(e.Values, v) })
		}
	}
	switch {
	case absent && exists, limited && len(among) == 0:
		return "its conditions on " + key + " exclude each other"
	case absent && (key == "client.name" || key == "host.name"):
		return "every message has a " + key
	case absent && strings.HasPrefix(key, "callback.") && len(phases) > 0 && !slices.ContainsFunc(phases, func(p Phase) bool { return p != PhaseCallback }):
		return "every message of the callback phase has a " + key
	}
	return ""
}

// missed says which conditions no caller meets.
func missed(byKey map[string][]Expression, callers []Subject) string {
	if len(callers) == 0 {
		return ""
	}
	var all []Expression
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		isHost := strings.HasPrefix(key, "host.")
		if !isHost && !strings.HasPrefix(key, "client.") {
			continue
		}
		all = append(all, byKey[key]...)
		switch met := anyMeets(callers, byKey[key]); {
		case !met && isHost:
			return "this host does not meet its condition on " + key
		case !met:
			return "no client meets its condition on " + key
		}
	}
	if !anyMeets(callers, all) {
		return "no client meets all its conditions"
	}
	return ""
}

func anyMeets(callers []Subject, terms []Expression) bool {
	m := Selector{MatchExpressions: terms}.compile()
	return slices.ContainsFunc(callers, func(s Subject) bool { return m.matches(&s) })
}
