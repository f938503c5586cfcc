package guest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sidegate/sidegate/wasm/meter"
)

// A Plugin is a module that has been checked and compiled. Its methods may be called concurrently.
type Plugin struct {
	config   Config
	digest   string
	metered  *meter.Module // without its binary
	cache    wazero.CompilationCache
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	slots    chan struct{} // one for each call in progress

	instances atomic.Int64

	mu     sync.Mutex
	closed bool
	pools  []*Pool
}

// Load checks and compiles a module, which takes from a millisecond to seconds: not on a request's
// path. A module that cannot be used gives a [LoadError]; other errors are the configuration's,
// or those of the cache directory. Nothing of the module runs.
//
// If ctx ends first, or [Config.CompileTime] passes, the LoadError wraps [ErrGivenUp], and it is
// returned at once. The compiler cannot be stopped: it goes on in the background, and what it makes is
// thrown away, but for an entry in the cache. No other module is compiled in this process until it is
// done: Load waits for that, as long as it may take itself.
func Load(ctx context.Context, c Config) (*Plugin, error) {
	c, err := c.validate()
	if err != nil {
		return nil, err
	}
	if int64(len(c.Binary)) > c.Limits.Module {
		return nil, c.refuse("raise the plugin's module limit, or build it smaller",
			"it has %d bytes, and %d are allowed", len(c.Binary), c.Limits.Module)
	}
	return loadWithin(ctx, c, loadNow)
}

// loadNow does what Load says, however long it takes.
func loadNow(c Config) (*Plugin, error) {
	sum := sha256.Sum256(c.Binary)
	metered, err := meter.Rewrite(c.Binary, meter.Config{MaxModule: int(c.Limits.Module), Stack: stackBytes})
	if err != nil {
		return nil, &LoadError{Plugin: c.Name, Problem: "it is not a module that can run here", Err: err}
	}
	if err := c.checkModule(metered); err != nil {
		return nil, err
	}
	p := &Plugin{config: c, digest: hex.EncodeToString(sum[:]), metered: metered, slots: make(chan struct{}, c.Limits.Concurrency)}
	p.config.Binary = nil
	ctx := context.Background() // what has begun is brought to its end
	if err := p.compile(ctx); err != nil {
		_ = p.release(ctx)
		return nil, err
	}
	metered.Binary = nil
	return p, nil
}

// compile makes the plugin's runtime, with the imports it asks for, and its native code.
func (p *Plugin) compile(ctx context.Context) (err error) {
	config := wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false)
	var entry *cacheEntry
	if p.config.CacheDir != "" {
		if entry, err = openCache(p.config.CacheDir, p.metered.Binary); err != nil {
			return fmt.Errorf("plugin %s: %w", p.config.Name, err)
		}
		defer entry.abandon()
		if p.cache, err = wazero.NewCompilationCacheWithDir(entry.path); err != nil {
			return fmt.Errorf("plugin %s: %w", p.config.Name, err)
		}
		config = config.WithCompilationCache(p.cache)
	}
	defer func() {
		// The compiler is large, and has been given a module that may have been made to break it.
		if r := recover(); r != nil {
			err = &LoadError{Plugin: p.config.Name, Problem: "the compiler failed on it", Err: fmt.Errorf("%v", r)}
		}
	}()
	p.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if err := p.provide(ctx); err != nil {
		return &LoadError{Plugin: p.config.Name, Problem: "its imports cannot be provided", Err: err}
	}
	if p.compiled, err = p.runtime.CompileModule(ctx, p.metered.Binary); err != nil {
		return &LoadError{Plugin: p.config.Name, Problem: "it does not compile", Err: err}
	}
	if entry != nil {
		return entry.commit()
	}
	return nil
}

// memoryMost is the largest size of an instance's memory, in bytes.
func (p *Plugin) memoryMost() int64 {
	m := p.metered.Memory
	return max(pageSize, min(p.config.Limits.Memory, int64(m.Max)*pageSize))
}

// Phases are those that the module has a function for.
func (p *Plugin) Phases() []Phase {
	var found []Phase
	for _, f := range phases {
		if p.metered.Export(f.export) != nil {
			found = append(found, f.phase)
		}
	}
	return found
}

// Instances is how many instances there are, idle and in use, in all pools.
func (p *Plugin) Instances() int { return int(p.instances.Load()) }

// Digest is the SHA-256 of the module as it was given, in lower-case hex.
func (p *Plugin) Digest() string { return p.digest }

// Warnings say what makes the module slower than it could be, or is likely a mistake.
func (p *Plugin) Warnings() []string {
	var w []string
	if !p.config.Persistent && !p.metered.Resettable() {
		w = append(w, "it changes tables, drops segments or has globals that hold vectors or references: each call gets a new instance")
	}
	if p.config.Fetch != nil && !p.imports(fetchImport) {
		w = append(w, "it may fetch, but does not import http_fetch")
	}
	return w
}

func (p *Plugin) imports(name string) bool {
	for _, i := range p.metered.Imports {
		if i.Module == abiModule && i.Name == name {
			return true
		}
	}
	return false
}

// Close frees the plugin and its pools. It waits for calls in progress, and if ctx ends first it
// returns its error, with the plugin as it was; later calls fail with [ErrClosed]. Native code is
// unmapped by the next garbage collection.
func (p *Plugin) Close(ctx context.Context) error {
	for taken := range cap(p.slots) {
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			for range taken {
				<-p.slots
			}
			return ctx.Err()
		}
	}
	defer func() {
		for range cap(p.slots) {
			<-p.slots
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	for _, pool := range p.pools {
		pool.close()
	}
	p.pools = nil
	return p.release(ctx)
}

// release closes what wazero holds; some of it may be missing after a failed Load.
func (p *Plugin) release(ctx context.Context) (err error) {
	if p.runtime != nil {
		err = p.runtime.Close(ctx) // closes the compiled module, too
	}
	if p.cache != nil {
		if e := p.cache.Close(ctx); err == nil {
			err = e
		}
	}
	return err
}
