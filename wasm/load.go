package wasm

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Load replaces all plugins by those of the set: it reads and compiles the modules and makes their
// pools while messages go on through the old ones, then lets messages that come in from now on see the
// new. The old ones are closed when the last message that uses them has ended.
//
// It is all or nothing: if anything is wrong, the error is a *SetError with everything that is, and
// nothing has changed. Plugins whose module, limits and configurations are the same as before are kept,
// with their state if they are persistent. Concurrent calls wait for each other. When ctx ends, Load returns
// at once with an error that wraps the context's: a module that is being compiled is given up, as
// [guest.Load] has it.
func (h *Host) Load(ctx context.Context, set Set) error {
	next, err := h.Prepare(ctx, set)
	if err != nil {
		return err
	}
	next.Activate()
	if h.closed.Load() {
		return ErrClosed
	}
	return nil
}

// Prepared is a set that is loaded and not in service yet. Activate or Discard must be called, and soon: until then no other
// set can be loaded, and [Host.Close] waits. The first of the calls counts, so Discard may be deferred. They must not
// be concurrent.
type Prepared struct {
	host    *Host
	set     Set
	plugins []*loaded
	done    bool
}

// take reports whether nobody has finished p before.
func (p *Prepared) take() bool {
	first := !p.done
	p.done = true
	return first
}

// Prepare does all of [Host.Load] that can fail, so that a set can be put into service together with something else, or not
// at all.
func (h *Host) Prepare(ctx context.Context, set Set) (*Prepared, error) {
	if err := h.Check(set); err != nil {
		return nil, err
	}
	set = set.clone()
	if err := h.lock(ctx); err != nil {
		return nil, fmt.Errorf("wasm: another set is being loaded: %w", err)
	}
	if h.closed.Load() {
		h.unlock()
		return nil, ErrClosed
	}
	plugins, err := h.loadAll(ctx, set)
	if err != nil {
		h.unlock()
		if ctx.Err() != nil { // or each plugin would be reported
			return nil, fmt.Errorf("wasm: loading the plugins was given up: %w", ctx.Err())
		}
		return nil, err
	}
	return &Prepared{host: h, set: set, plugins: plugins}, nil
}

// Activate puts the set into service, unless the Host has been closed.
func (p *Prepared) Activate() {
	if !p.take() {
		return
	}
	h := p.host
	defer h.unlock()
	h.number++
	h.draining.Add(1)
	next := h.newGeneration(p.set, p.plugins)
	h.retire(h.current.Swap(next))
	if h.closed.Load() { // and Close may have seen the one before
		h.retire(h.current.Swap(nil))
		return
	}
	h.log.Info("plugins loaded", "generation", next.number, "plugins", len(p.plugins), "chains", len(p.set.Chains))
	for _, warning := range p.set.Warnings(nil) {
		h.log.Warn(warning.String())
	}
}

// Discard gives the set up.
func (p *Prepared) Discard() {
	if !p.take() {
		return
	}
	defer p.host.unlock()
	for _, l := range p.plugins {
		p.host.giveUp(l)
	}
}

// loadAll loads the modules of a set, in its order, each held once. It uses half of the processors, to
// leave some to messages.
func (h *Host) loadAll(ctx context.Context, set Set) ([]*loaded, error) {
	plugins := make([]*loaded, len(set.Plugins))
	wrong := make([]problems, len(set.Plugins))
	var group errgroup.Group
	group.SetLimit(max(1, runtime.GOMAXPROCS(0)/2))
	for i := range set.Plugins {
		group.Go(func() error {
			plugins[i] = h.loadOne(ctx, set, i, &wrong[i])
			return nil
		})
	}
	_ = group.Wait() // what is wrong is in wrong
	found := problems(slices.Concat(wrong...))
	checkExports(&found, set, plugins)
	if err := found.err(); err != nil {
		for _, p := range plugins {
			if p != nil {
				h.giveUp(p)
			}
		}
		return nil, err
	}
	return plugins, nil
}

// loadOne loads one plugin, or returns nil and reports why it cannot.
func (h *Host) loadOne(ctx context.Context, set Set, index int, found *problems) *loaded {
	p := &set.Plugins[index]
	at := fmt.Sprintf("plugins[%d]", index)
	if err := ctx.Err(); err != nil {
		found.fail(at, err)
		return nil
	}
	binary, digest, err := readModule(p)
	if err != nil {
		found.fail(at+".path", err)
		return nil
	}
	configs := configsOf(set, p.Name)
	id := identity{p.Name, digest, p.Limits, p.Persistent, fmt.Sprintf("%q", p.Fetch), fmt.Sprintf("%q", slices.Sorted(maps.Keys(configs)))}
	if l := h.kept(id); l != nil {
		return l
	}
	module, err := h.open(ctx, p, binary)
	if err != nil {
		found.fail(at+".path", err)
		return nil
	}
	l := &loaded{identity: id, module: module, pools: make(map[string]pool), turns: newTurns(p.Limits.Concurrency), breaker: newBreaker(h.breakAfter, h.coolDown, h.now)}
	h.hold(l)
	before := len(*found)
	for _, text := range slices.Sorted(maps.Keys(configs)) {
		pool, err := module.Configure(ctx, []byte(text))
		if err != nil {
			if configs[text] == "" {
				found.fail(at, fmt.Errorf("it sees null where none of plugin_configs matches, and %w", err))
			} else {
				found.fail(configs[text], err)
			}
			continue
		}
		l.pools[text] = pool
	}
	if len(*found) > before {
		h.giveUp(l)
		return nil
	}
	return l
}

// kept returns the module of the current generation that was made of the same, held once more, or nil.
func (h *Host) kept(id identity) *loaded {
	g := h.pin() // Close may take it out of service at any time
	if g == nil {
		return nil
	}
	defer g.release()
	for _, in := range g.members {
		if in.identity == id {
			h.hold(in.loaded)
			return in.loaded
		}
	}
	return nil
}

// configsOf returns the configurations that a plugin may see, with the key where each stands first. null
// is among them unless another matches every message; its key is "" if it does not stand anywhere.
func configsOf(set Set, name string) map[string]string {
	configs := make(map[string]string)
	for i, c := range set.Configs {
		if c.Plugin != name {
			continue
		}
		if text := normal(c.Config); configs[text] == "" {
			configs[text] = fmt.Sprintf("plugin_configs[%d].config", i)
		}
		if c.Selector.Empty() {
			return configs
		}
	}
	if _, ok := configs["null"]; !ok {
		configs["null"] = ""
	}
	return configs
}

// checkExports reports chains that list plugins which are not for their phase.
func checkExports(found *problems, set Set, plugins []*loaded) {
	for i, p := range set.Plugins {
		if plugins[i] == nil {
			continue
		}
		exported := plugins[i].module.Phases()
		if p.Failure == FailureSkip && slices.Contains(exported, PhaseResponse) {
			found.add(fmt.Sprintf("plugins[%d].failure", i), "%s exports on_response, and %s", p.Name, skipsResponse)
		}
		for j, c := range set.Chains {
			if slices.Contains(c.Plugins, p.Name) && !slices.Contains(exported, c.Phase) {
				found.add(fmt.Sprintf("chains[%d].plugins", j), "%s does not export on_%s, so it has nothing to do in the %s phase", p.Name, c.Phase, c.Phase)
			}
		}
	}
}
