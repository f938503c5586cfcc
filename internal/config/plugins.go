package config

import (
	"fmt"
	"regexp"
	"time"
)

// Plugin is one Wasm module and the bounds it runs in.
type Plugin struct {
	Name      string // unique, of a-z 0-9 . _ -
	Path      string // absolute; the module's file
	Digest    string // "sha256:" and 64 hexadecimal digits that the file must have, or empty
	Priority  int    // 0 to 65535, higher first
	Limits    PluginLimits
	Failure   string   // what follows when it fails: "deny", or "skip" for as if it were not there
	State     string   // "reset" after every call, or "persistent"
	MayChange []string // of command, workdir, env, labels, callback
	Record    string   // what the journal keeps of its changes: "digest", or "text" for all of it

	Capabilities Capabilities
}

// PluginLimits bound a call of a plugin; zero means the default of the guests' host.
type PluginLimits struct {
	Memory      int64 // bytes of an instance, of which whole pages of 64 KiB count
	Fuel        int   // instructions
	Deadline    time.Duration
	Output      int64 // bytes of each output
	Log         int64 // bytes
	Concurrency int   // calls at once
	Module      int64 // bytes of the module's file
}

// Capabilities are what a plugin may do beyond its message.
type Capabilities struct {
	HTTPFetch []string // destinations, in the patterns of Callbacks.Allow; who parses them reports problems with [Config.Position]
}

// Chain applies plugins in a phase.
type Chain struct {
	Name     string
	Phase    string // "request", "response" or "callback"
	Plugins  []string
	Selector Selector
}

// PluginConfig is a configuration that a plugin gets where the selector matches.
type PluginConfig struct {
	Plugin   string
	Selector Selector
	// Config is JSON, with what secret_files name in it: it is not to be shown.
	Config Secret
}

// Selector matches when all of it does; an empty one always matches.
type Selector struct {
	MatchLabels      map[string]string
	MatchExpressions []Expression
}

// Expression is one condition on a label.
type Expression struct {
	Key      string
	Operator string // In, NotIn, Exists, DoesNotExist
	Values   []string
}

const maxPriority = 65535

// What the guests' host asks for at least; internal/daemon has a test that the two agree.
const (
	leastMemory = 64 << 10 // a page of WebAssembly
	leastModule = 8        // the header of a module
)

var digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func plugin(p *Plugin) value {
	p.Priority, p.Failure, p.State, p.Record = 1000, "deny", "reset", "digest"
	p.MayChange, p.Capabilities.HTTPFetch = []string{}, []string{}
	return mapping(
		field{name: "name", value: text(&p.Name, checkClientName), required: true},
		field{name: "path", value: file(&p.Path, publicFile), required: true},
		field{name: "digest", value: text(&p.Digest, orEmpty(checkDigest))},
		field{name: "priority", value: integer(&p.Priority, 0, maxPriority)},
		field{name: "limits", value: mapping(
			field{name: "memory", value: sizeFrom(&p.Limits.Memory, leastMemory, 4<<30)},
			field{name: "fuel", value: integer(&p.Limits.Fuel, 1, 1<<50)},
			field{name: "deadline", value: duration(&p.Limits.Deadline, time.Millisecond, time.Minute)},
			field{name: "output", value: size(&p.Limits.Output, maxOutput)},
			field{name: "log", value: size(&p.Limits.Log, 1<<20)},
			field{name: "concurrency", value: integer(&p.Limits.Concurrency, 1, 1024)},
			field{name: "module", value: sizeFrom(&p.Limits.Module, leastModule, 64<<20)},
		)},
		field{name: "failure", value: choice(&p.Failure, "deny", "skip")},
		field{name: "state", value: choice(&p.State, "reset", "persistent")},
		field{name: "capabilities", value: mapping(
			field{name: "http_fetch", value: listOf(&p.Capabilities.HTTPFetch, nonEmpty)},
		)},
		field{name: "may_change", value: listOf(&p.MayChange, func(s *string) value {
			return choice(s, "command", "workdir", "env", "labels", "callback")
		})},
		field{name: "record", value: choice(&p.Record, "digest", "text")},
	)
}

func checkDigest(s string) error {
	if !digest.MatchString(s) {
		return fmt.Errorf("must be sha256: and 64 hexadecimal digits, as `sidegate plugin check` prints, not %s", quote(s))
	}
	return nil
}

func chain(c *Chain) value {
	c.Plugins = []string{}
	return mapping(
		field{name: "name", value: text(&c.Name, checkClientName), required: true},
		field{name: "phase", value: choice(&c.Phase, "request", "response", "callback"), required: true},
		field{name: "plugins", value: listOf(&c.Plugins, word), required: true},
		field{name: "selector", value: selector(&c.Selector)},
	)
}

func selector(s *Selector) value {
	s.MatchLabels, s.MatchExpressions = map[string]string{}, []Expression{}
	return mapping(
		field{name: "matchLabels", value: stringMap(&s.MatchLabels)},
		field{name: "matchExpressions", value: listOf(&s.MatchExpressions, func(e *Expression) value {
			e.Values = []string{}
			return mapping(
				field{name: "key", value: text(&e.Key, checkWord), required: true},
				field{name: "operator", value: choice(&e.Operator, "In", "NotIn", "Exists", "DoesNotExist"), required: true},
				field{name: "values", value: listOf(&e.Values, func(s *string) value { return text(s) })},
			)
		})},
	)
}

func pluginConfig(c *PluginConfig) value {
	c.Config = NewSecret([]byte("null"))
	secrets := map[string]Secret{}
	return mapping(
		field{name: "plugin", value: text(&c.Plugin, checkWord), required: true},
		field{name: "selector", value: selector(&c.Selector)},
		field{name: "config", value: jsonValue(&c.Config)},
		field{name: "secret_files", value: secretMembers(&secrets)},
	).then(func(d *decoder, key string) { d.addSecrets(key, &c.Config, secrets) })
}
