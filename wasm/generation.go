package wasm

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// A generation is one set, loaded. It is immutable but for its pins, and is closed when it is no longer
// current and the last message that uses it has ended.
type generation struct {
	number   uint64
	loadedAt time.Time
	order    []Stage
	members  []*pluginIn // in the order of the set
	chains   [3][]chain  // by phase, as in phases
	most     [3]int      // plugins that these list, some perhaps twice

	pins  atomic.Int64 // of messages, and one of the Host while it is current
	close func()       // called once, when the last pin is released
}

// A chain is a [Chain], made ready.
type chain struct {
	matcher matcher
	plugins []*pluginIn
}

// A pluginIn is a plugin as one generation has it: what can be shared with other generations is behind
// its pointers.
type pluginIn struct {
	Plugin
	*loaded
	stats    *stats
	rules    [3]rule        // by phase
	configs  []poolSelector // the first that matches
	fallback pool           // where none does; nil where one always does
	quoted   string         // how its metadata begins
	chains   []string       // that list it
}

type poolSelector struct {
	matcher matcher
	pool    pool
}

// acquire pins the generation. It fails if that is closed already.
func (g *generation) acquire() bool {
	for {
		n := g.pins.Load()
		if n == 0 {
			return false
		}
		if g.pins.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (g *generation) release() {
	if g.pins.Add(-1) == 0 {
		go g.close()
	}
}

// newGeneration puts a checked set and its loaded plugins together.
func (h *Host) newGeneration(set Set, plugins []*loaded) *generation {
	g := &generation{number: h.number, loadedAt: h.now(), order: set.Order()}
	for i, p := range set.Plugins {
		in := &pluginIn{Plugin: p, loaded: plugins[i], stats: h.statsOf(p.Name), quoted: `{"plugin":` + strconv.Quote(p.Name)}
		for n, phase := range phases {
			in.rules[n] = newRule(phase, &p)
		}
		for _, c := range set.Configs {
			if c.Plugin == p.Name {
				in.configs = append(in.configs, poolSelector{c.Selector.compile(), in.pools[normal(c.Config)]})
			}
		}
		in.fallback = in.pools["null"]
		g.members = append(g.members, in)
		for n := range g.order {
			if s := &g.order[n]; !s.BuiltIn && s.Name == p.Name {
				s.Digest = in.digest
			}
		}
	}
	for _, c := range set.Chains {
		ready := chain{matcher: c.Selector.compile()}
		for _, name := range c.Plugins {
			i := slices.IndexFunc(g.members, func(in *pluginIn) bool { return in.Name == name })
			g.members[i].chains = append(g.members[i].chains, c.Name)
			ready.plugins = append(ready.plugins, g.members[i])
		}
		n := phaseIndex(c.Phase)
		g.chains[n] = append(g.chains[n], ready)
		g.most[n] += len(c.Plugins)
	}
	g.pins.Store(1)
	g.close = func() {
		defer h.draining.Done()
		for _, p := range plugins {
			h.giveUp(p)
		}
		h.log.Info("plugins: generation closed", "generation", g.number)
	}
	return g
}

// A step is a plugin and the pool that one message goes to.
type step struct {
	plugin *pluginIn
	pool   pool
}

// steps returns who runs for a subject, in order.
func (g *generation) steps(phase int, s *Subject) []step {
	steps := make([]step, 0, min(g.most[phase], len(g.members)))
	for i := range g.chains[phase] {
		c := &g.chains[phase][i]
		if !c.matcher.matches(s) {
			continue
		}
		for _, p := range c.plugins {
			steps = insert(steps, p)
		}
	}
	for i := range steps {
		steps[i].pool = steps[i].plugin.poolFor(s)
	}
	return steps
}

// insert puts a plugin behind those of the same or a higher priority, unless it is there already. So
// among equals the first to come is the first to run.
func insert(steps []step, p *pluginIn) []step {
	if slices.ContainsFunc(steps, func(s step) bool { return s.plugin == p }) {
		return steps
	}
	at := len(steps)
	for at > 0 && steps[at-1].plugin.Priority < p.Priority {
		at--
	}
	return slices.Insert(steps, at, step{plugin: p})
}

func (in *pluginIn) poolFor(s *Subject) pool {
	for i := range in.configs {
		if in.configs[i].matcher.matches(s) {
			return in.configs[i].pool
		}
	}
	return in.fallback
}

func phaseIndex(phase Phase) int { return slices.Index(phases, phase) }

// A loaded is a module with its pools. Generations that want the same share it.
type loaded struct {
	identity
	module  module
	pools   map[string]pool // by configuration, as normal returns it
	turns   *turns
	breaker *breaker
	holders int // generations; guarded by Host.sharing
}

// identity is what a loaded module was made of. Equal ones need not be loaded twice.
type identity struct {
	name       string
	digest     string
	limits     Limits
	persistent bool
	fetch      string
	configs    string
}

// giveUp takes one holder from a module, and closes it after the last.
func (h *Host) giveUp(l *loaded) {
	h.sharing.Lock()
	l.holders--
	last := l.holders == 0
	h.sharing.Unlock()
	if !last {
		return
	}
	if err := l.module.Close(context.Background()); err != nil {
		h.log.Error("plugin did not close", "plugin", l.name, "error", err)
	}
}

func (h *Host) hold(l *loaded) {
	h.sharing.Lock()
	l.holders++
	h.sharing.Unlock()
}
