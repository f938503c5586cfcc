package wasm

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxConfig bounds one plugin's configuration, in bytes.
const maxConfig = 1 << 20

var (
	validName   = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)
	validDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// changeable are the words of Plugin.MayChange, and the members of a request that each stands for.
var changeable = map[string][]string{
	"command":  {"command", "argv"},
	"workdir":  {"workdir"},
	"env":      {"env"},
	"labels":   {"labels"},
	"callback": {"callback"},
}

const changeableWords = "command, workdir, env, labels, callback"

// Check reports what can be known to be wrong with a set without reading any file, as a *SetError.
func (h *Host) Check(set Set) error {
	var found problems
	known := make(map[string]int, len(set.Plugins))
	for i := range set.Plugins {
		at := fmt.Sprintf("plugins[%d]", i)
		h.checkPlugin(&found, at, &set.Plugins[i])
		name := set.Plugins[i].Name
		if first, twice := known[name]; twice {
			found.add(at+".name", "%s is also the name of plugins[%d]", quote(name), first)
			continue
		}
		known[name] = i
	}
	checkChains(&found, set, known)
	for i, c := range set.Configs {
		at := fmt.Sprintf("plugin_configs[%d]", i)
		if _, ok := known[c.Plugin]; !ok {
			found.add(at+".plugin", "there is no plugin %s", quote(c.Plugin))
		}
		checkSelector(&found, at+".selector", c.Selector)
		checkConfig(&found, at+".config", c.Config)
	}
	return found.err()
}

func (h *Host) checkPlugin(found *problems, at string, p *Plugin) {
	checkName(found, at+".name", p.Name)
	if stage := builtin(p.Name); stage != "" {
		found.add(at+".name", "%s is a built-in stage of the %s phase; those cannot be replaced", p.Name, stage)
	}
	if !filepath.IsAbs(p.Path) {
		found.add(at+".path", "must be an absolute path, not %s", quote(p.Path))
	}
	if p.Digest != "" && !validDigest.MatchString(p.Digest) {
		found.add(at+".digest", "must be sha256: and 64 hexadecimal digits in lower case, not %s", quote(p.Digest))
	}
	if p.Priority < MinPriority || p.Priority > MaxPriority {
		found.add(at+".priority", "must be %d to %d, not %d; the numbers outside belong to the built-in stages", MinPriority, MaxPriority, p.Priority)
	}
	if p.Failure != "" && p.Failure != FailureDeny && p.Failure != FailureSkip {
		found.add(at+".failure", "must be deny or skip, not %s", quote(string(p.Failure)))
	}
	for i, word := range p.MayChange {
		place := fmt.Sprintf("%s.may_change[%d]", at, i)
		switch {
		case changeable[word] == nil:
			found.add(place, "must be one of %s, not %s", changeableWords, quote(word))
		case slices.Contains(p.MayChange[:i], word):
			found.add(place, "%s is listed twice", word)
		}
	}
	for _, err := range p.Limits.Check() {
		found.fail(at+".limits."+err.Name, err)
	}
	h.checkFetch(found, at+".capabilities.http_fetch", p.Fetch)
}

func (h *Host) checkFetch(found *problems, at string, patterns []string) {
	if len(patterns) == 0 {
		return
	}
	if h.allows == nil {
		found.add(at, "this gateway fetches nothing for plugins")
		return
	}
	for i := range patterns {
		if _, err := h.allows(patterns[i : i+1]); err != nil {
			found.fail(fmt.Sprintf("%s[%d]", at, i), err)
		}
	}
}

func checkName(found *problems, at, name string) {
	if !validName.MatchString(name) {
		found.add(at, "must be 1 to 64 of a-z 0-9 . _ -, not %s", quote(name))
	}
}

func checkChains(found *problems, set Set, known map[string]int) {
	names := make(map[string]int, len(set.Chains))
	for i, c := range set.Chains {
		at := fmt.Sprintf("chains[%d]", i)
		checkName(found, at+".name", c.Name)
		if first, twice := names[c.Name]; twice {
			found.add(at+".name", "%s is also the name of chains[%d]", quote(c.Name), first)
		} else {
			names[c.Name] = i
		}
		if !slices.Contains(phases, c.Phase) {
			found.add(at+".phase", "unknown phase %s; a chain transforms a request, a response or a callback, and nothing below HTTP", quote(string(c.Phase)))
		}
		if len(c.Plugins) == 0 {
			found.add(at+".plugins", "lists no plugin")
		}
		for j, name := range c.Plugins {
			place := fmt.Sprintf("%s.plugins[%d]", at, j)
			index, ok := known[name]
			switch {
			case builtin(name) != "" && !ok:
				found.add(place, "%s is a built-in stage; those run always and where they stand", name)
			case !ok:
				found.add(place, "there is no plugin %s", quote(name))
			case slices.Contains(c.Plugins[:j], name):
				found.add(place, "%s is listed twice", name)
			case c.Phase == PhaseResponse && set.Plugins[index].Failure == FailureSkip:
				found.add(place, "%s: %s", name, skipsResponse)
			}
		}
		checkSelector(found, at+".selector", c.Selector)
	}
}

const skipsResponse = "failure: skip is not for plugins that transform responses, or a caller could make one fail to see what it takes out"

// checkConfig says nothing of what the configuration holds: it may be a secret.
func checkConfig(found *problems, at string, config []byte) {
	switch {
	case len(config) > maxConfig:
		found.add(at, "is longer than %d bytes", maxConfig)
	case len(config) > 0 && !jsontext.Value(config).IsValid():
		found.add(at, "is not one JSON value with unique names and valid UTF-8")
	}
}

// normal returns a configuration that checkConfig found nothing wrong with as compact text, so that
// equal ones are one.
func normal(config []byte) string {
	if len(config) == 0 {
		return "null"
	}
	v := jsontext.Value(slices.Clone(config))
	if err := v.Compact(); err != nil {
		return string(config)
	}
	return strings.TrimSpace(string(v))
}
