package wasm

import (
	"cmp"
	"fmt"
	"slices"
)

// Stage is one step that a message takes in a phase: one of the gateway's own, or a plugin.
type Stage struct {
	Phase   Phase  `json:"phase"`
	Number  int    `json:"number"` // higher runs first; a plugin's is its priority
	Name    string `json:"name"`
	BuiltIn bool   `json:"built_in"`

	// The rest is about plugins only.
	Digest     string        `json:"digest,omitempty"` // of the module that is loaded; else the one configured, if any
	Failure    FailureMode   `json:"failure,omitempty"`
	Persistent bool          `json:"persistent,omitempty"`
	MayChange  []string      `json:"may_change,omitempty"` // request phase
	Fetch      []string      `json:"fetch,omitempty"`
	Chains     []StageChain  `json:"chains,omitempty"`  // that list it in this phase; it runs if one matches
	Configs    []StageConfig `json:"configs,omitempty"` // the first whose selector matches is used
}

// StageChain is a chain that lists a plugin.
type StageChain struct {
	Name     string   `json:"name"`
	Selector Selector `json:"selector"`
}

// StageConfig says where a plugin's configuration stands. What it holds is not shown: it may be a secret.
type StageConfig struct {
	Source   string   `json:"source"` // plugin_configs[0], or null for what a plugin sees where no selector matches
	Selector Selector `json:"selector"`
}

var phases = []Phase{PhaseRequest, PhaseResponse, PhaseCallback}

// builtins are the gateway's own stages. Their numbers lie outside of the priorities that a plugin can
// have: above are those before all plugins, below those after.
var builtins = []Stage{
	{Phase: PhaseRequest, Number: MaxPriority + 2, Name: "verify"},
	{Phase: PhaseRequest, Number: MaxPriority + 1, Name: "decode"},
	{Phase: PhaseRequest, Number: MinPriority - 1, Name: "analyze"},
	{Phase: PhaseRequest, Number: MinPriority - 2, Name: "decide"},
	{Phase: PhaseRequest, Number: MinPriority - 3, Name: "tighten"},
	{Phase: PhaseRequest, Number: MinPriority - 4, Name: "commit"},
	{Phase: PhaseResponse, Number: MaxPriority + 1, Name: "run"},
	{Phase: PhaseResponse, Number: MinPriority - 1, Name: "commit"},
	{Phase: PhaseResponse, Number: MinPriority - 2, Name: "reply"},
	{Phase: PhaseCallback, Number: MaxPriority + 1, Name: "due"},
	{Phase: PhaseCallback, Number: MinPriority - 1, Name: "destination"},
	{Phase: PhaseCallback, Number: MinPriority - 2, Name: "send"},
}

// builtin returns the phase of the built-in stage with this name, or "".
func builtin(name string) Phase {
	i := slices.IndexFunc(builtins, func(s Stage) bool { return s.Name == name })
	if i < 0 {
		return ""
	}
	return builtins[i].Phase
}

// Order returns the steps of every phase in the order they are taken, the gateway's own included, as if
// every chain matched. It reads no file; the set should be one that [Host.Check] has nothing against.
func (s Set) Order() []Stage {
	var stages []Stage
	for _, phase := range phases {
		from := len(stages)
		for _, b := range builtins {
			if b.Phase == phase {
				b.BuiltIn = true
				stages = append(stages, b)
			}
		}
		stages = append(stages, s.pluginStages(phase)...)
		slices.SortStableFunc(stages[from:], func(a, b Stage) int { return cmp.Compare(b.Number, a.Number) })
	}
	return stages
}

// pluginStages returns the plugins of a phase in the order in which its chains list them.
func (s Set) pluginStages(phase Phase) []Stage {
	var stages []Stage
	for _, c := range s.Chains {
		if c.Phase != phase {
			continue
		}
		for _, name := range c.Plugins {
			i := slices.IndexFunc(stages, func(st Stage) bool { return st.Name == name })
			if i < 0 {
				p := slices.IndexFunc(s.Plugins, func(p Plugin) bool { return p.Name == name })
				if p < 0 {
					continue
				}
				stages = append(stages, s.stageOf(phase, s.Plugins[p]))
				i = len(stages) - 1
			}
			stages[i].Chains = append(stages[i].Chains, StageChain{c.Name, c.Selector.clone()})
		}
	}
	return stages
}

func (s Set) stageOf(phase Phase, p Plugin) Stage {
	stage := Stage{
		Phase: phase, Number: p.Priority, Name: p.Name,
		Digest: p.Digest, Failure: cmp.Or(p.Failure, FailureDeny), Persistent: p.Persistent, Fetch: slices.Clone(p.Fetch),
	}
	if phase == PhaseRequest {
		stage.MayChange = slices.Clone(p.MayChange)
	}
	for i, c := range s.Configs {
		if c.Plugin != p.Name {
			continue
		}
		stage.Configs = append(stage.Configs, StageConfig{fmt.Sprintf("plugin_configs[%d]", i), c.Selector.clone()})
		if c.Selector.Empty() {
			return stage // those behind it are never reached
		}
	}
	stage.Configs = append(stage.Configs, StageConfig{Source: "null"})
	return stage
}
