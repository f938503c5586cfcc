package guest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"
)

// A Pool is a plugin with one configuration. Call may be called concurrently.
type Pool struct {
	plugin *Plugin
	config []byte // what the guest reads as kind 1
	reuse  bool   // instances serve more than one call
	ready  bool   // the first instance has been initialized

	// What instances begin a call with; image is nil where each initializes itself.
	image   *image
	globals []uint64

	mu   sync.Mutex
	idle []*instance // the one used last at the end
}

// Configure initializes an instance with a configuration, a JSON value, or nil for null, under the
// limits of a call. If the plugin does not accept it, the error is a [RefusedError]; if
// it fails while reading it, a [Failure] in phase [Init].
func (p *Plugin) Configure(ctx context.Context, config []byte) (*Pool, error) {
	if config == nil {
		config = []byte("null")
	}
	deadline := now() + p.config.Limits.Deadline
	if f := p.acquire(ctx, deadline, Init); f != nil {
		return nil, f
	}
	defer p.free()
	if p.isClosed() {
		return nil, ErrClosed
	}
	pool := &Pool{plugin: p, config: bytes.Clone(config), reuse: p.config.Persistent || p.metered.Resettable()}
	in, err := pool.create(ctx, deadline)
	if err != nil {
		return nil, err
	}
	if pool.reuse && p.metered.Resettable() {
		if err := pool.snapshot(in); err != nil {
			in.discard()
			return nil, fmt.Errorf("plugin %s: %w", p.config.Name, err)
		}
	}
	pool.ready = true
	in.end()
	if pool.reuse {
		pool.idle = append(make([]*instance, 0, p.config.Limits.Concurrency), in)
	} else {
		in.discard()
	}
	p.mu.Lock()
	p.pools = append(p.pools, pool)
	p.mu.Unlock()
	return pool, nil
}

// acquire takes one of the plugin's slots, and waits for one no longer than the call may take.
func (p *Plugin) acquire(ctx context.Context, deadline time.Duration, phase Phase) *Failure {
	if err := ctx.Err(); err != nil {
		return &Failure{Plugin: p.config.Name, Phase: phase, Kind: KindCancelled, Err: err}
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(deadline - now())
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return &Failure{Plugin: p.config.Name, Phase: phase, Kind: KindBusy,
			Err: fmt.Errorf("%d calls at once are allowed", cap(p.slots))}
	case <-ctx.Done():
		return &Failure{Plugin: p.config.Name, Phase: phase, Kind: KindCancelled, Err: ctx.Err()}
	}
}

func (p *Plugin) free() { <-p.slots }

// isClosed is asked with a slot held, and Close holds all: the answer stays true while the slot is held.
func (p *Plugin) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Call passes x through the plugin's function for the phase. A call that ends without a verdict
// gives a [Failure] and leaves x without output; [ErrPhase] and [ErrClosed] are the caller's mistakes.
func (p *Pool) Call(ctx context.Context, phase Phase, x *Exchange) (Verdict, error) {
	index := phaseIndex(phase)
	if index < 0 || p.plugin.metered.Export(phases[index].export) == nil {
		return Deny, ErrPhase
	}
	x.begin()
	if f := p.plugin.acquire(ctx, now()+p.plugin.config.Limits.Deadline, phase); f != nil {
		return Deny, f
	}
	defer p.plugin.free()
	// Only now: what it waited for others is not the call's.
	deadline := now() + p.plugin.config.Limits.Deadline
	in, err := p.take(ctx, deadline, phase)
	if err != nil {
		return Deny, err
	}
	in.begin(ctx, deadline, phase, x)
	err = in.invoke(in.calls[index])
	x.Fuel, x.Memory = in.spent, int64(in.memory.size)
	if err != nil {
		in.discard()
		return Deny, err
	}
	verdict, ok := in.deliver()
	if !ok {
		f := in.failure(KindABI, errNoVerdict)
		in.discard()
		return Deny, f
	}
	p.put(in)
	return verdict, nil
}

// take gets an idle instance, or a new one, which has spent what making it took.
func (p *Pool) take(ctx context.Context, deadline time.Duration, phase Phase) (*instance, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		in := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return in, nil
	}
	p.mu.Unlock()
	if p.plugin.isClosed() {
		return nil, ErrClosed
	}
	in, err := p.create(ctx, deadline)
	if err != nil {
		return nil, asFailure(err, p.plugin.config.Name, phase)
	}
	spent := in.spent
	in.end()
	in.spent = spent
	return in, nil
}

// put makes an instance what it was before its call, and idle. What cannot be put back is discarded.
func (p *Pool) put(in *instance) {
	in.end()
	if !p.reuse || !p.plugin.config.Persistent && !p.restore(in) {
		in.discard()
		return
	}
	p.mu.Lock()
	p.idle = append(p.idle, in)
	p.mu.Unlock()
}

// create makes an instance that is ready for a call: from the snapshot, if there is one.
func (p *Pool) create(ctx context.Context, deadline time.Duration) (*instance, error) {
	in, err := p.instantiate(ctx, deadline)
	if err != nil {
		return nil, err
	}
	if p.image != nil {
		err = p.adopt(in)
	} else {
		err = in.initialize()
	}
	if err != nil {
		in.discard()
		return nil, err
	}
	return in, nil
}

// asFailure is how a call fails for which an instance could not be made.
func asFailure(err error, plugin string, phase Phase) error {
	if f, ok := err.(*Failure); ok {
		f.Phase = phase
		return f
	}
	if _, ok := err.(*RefusedError); ok {
		return &Failure{Plugin: plugin, Phase: phase, Kind: KindABI, Err: err}
	}
	return &Failure{Plugin: plugin, Phase: phase, Kind: KindMemory, Err: err}
}

// close discards the idle instances; there are no others when it is called.
func (p *Pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, in := range p.idle {
		in.discard()
	}
	p.idle = nil
	if p.image != nil {
		p.image.close()
	}
}
