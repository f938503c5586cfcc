package wasm

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"
)

// Numbers of a [Plugin]'s priority. The gateway's own stages lie outside of them.
const (
	MinPriority     = 0
	MaxPriority     = 65535
	DefaultPriority = 1000 // for who reads configuration: in a Plugin, 0 is 0
)

// Defaults of a [Plugin]'s limits on which its turns depend; package guest has the others.
const (
	DefaultConcurrency = 8
	DefaultDeadline    = time.Second
)

// Set is everything there is to know about plugins, as it is configured. The order of its lists counts.
type Set struct {
	Plugins []Plugin
	Chains  []Chain
	Configs []PluginConfig
}

// Plugin is one module and what it is trusted with. A plugin runs where a chain lists it.
type Plugin struct {
	Name string // 1 to 64 of a-z 0-9 . _ -, and not the name of a built-in stage
	Path string // absolute, a regular file

	// Digest is "sha256:" and 64 lower-case hexadecimal digits of the file. With "" it is not checked,
	// and then nobody but its owner and group may be able to write the file.
	Digest string

	Priority   int // MinPriority to MaxPriority; the higher runs first
	Limits     Limits
	Failure    FailureMode
	Persistent bool // keeps its memory from call to call; else each call begins in the state after loading

	// Fetch lists the destinations of the http_fetch capability, in the syntax of callbacks.allow. A
	// plugin without any does not have the capability.
	Fetch []string

	// MayChange lists the members of a request that the plugin may change, out of command (argv
	// included), workdir, env, labels and callback.
	MayChange []string

	// KeepText asks that changes are kept as full text and not only as digests. Text may hold what the
	// plugin was there to take out; a command's output is never kept.
	KeepText bool
}

// FailureMode says what follows when a plugin fails.
type FailureMode string

// The failure modes. "" means FailureDeny.
const (
	FailureDeny FailureMode = "deny" // the message fails
	FailureSkip FailureMode = "skip" // the message goes on as it was, but for KindBusy; not for plugins that transform responses
)

// Chain lists plugins that run in one phase for the messages that the selector matches.
type Chain struct {
	Name     string // as a plugin's
	Phase    Phase
	Plugins  []string // by name
	Selector Selector
}

// PluginConfig is a plugin's configuration for the messages that the selector matches. The first that
// matches, in the order of Set.Configs, is what the plugin sees; where none does, it sees null.
type PluginConfig struct {
	Plugin   string
	Selector Selector
	Config   []byte // one JSON value; empty means null
}

// clone returns a copy that shares nothing with s, so that a caller may go on using its own, with the defaults of this
// package in place of what is left open.
func (s Set) clone() Set {
	c := Set{Plugins: slices.Clone(s.Plugins), Chains: slices.Clone(s.Chains), Configs: slices.Clone(s.Configs)}
	for i := range c.Plugins {
		p := &c.Plugins[i]
		p.Fetch, p.MayChange = slices.Clone(p.Fetch), slices.Clone(p.MayChange)
		if p.Failure == "" {
			p.Failure = FailureDeny
		}
		p.Limits.Concurrency = cmp.Or(p.Limits.Concurrency, DefaultConcurrency)
		p.Limits.Deadline = cmp.Or(p.Limits.Deadline, DefaultDeadline)
	}
	for i := range c.Chains {
		c.Chains[i].Plugins = slices.Clone(c.Chains[i].Plugins)
		c.Chains[i].Selector = c.Chains[i].Selector.clone()
	}
	for i := range c.Configs {
		c.Configs[i].Config = bytes.Clone(c.Configs[i].Config)
		c.Configs[i].Selector = c.Configs[i].Selector.clone()
	}
	return c
}

func (s Selector) clone() Selector {
	c := Selector{MatchLabels: maps.Clone(s.MatchLabels), MatchExpressions: slices.Clone(s.MatchExpressions)}
	for i := range c.MatchExpressions {
		c.MatchExpressions[i].Values = slices.Clone(c.MatchExpressions[i].Values)
	}
	return c
}
