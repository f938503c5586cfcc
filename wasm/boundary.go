package wasm

import (
	"context"
	"log/slog"

	"github.com/sidegate/sidegate/wasm/guest"
)

// What package guest defines and callers of this one need.
type (
	// Phase is what a chain transforms.
	Phase = guest.Phase
	// Limits bound one plugin; zero values are defaults.
	Limits = guest.Limits
	// Verdict is what a plugin, and so its chain, says about a message.
	Verdict = guest.Verdict
	// Failure is a plugin that failed: which, in which phase, how and why.
	Failure = guest.Failure
	// Kind is how a plugin failed.
	Kind = guest.Kind
)

// The phases.
const (
	PhaseRequest  = guest.Request
	PhaseResponse = guest.Response
	PhaseCallback = guest.Callback
)

// KindBusy is how a call failed that was not made: its turn did not come in time. Nobody is to blame, so the plugin's failure
// mode says nothing about it, and the message may come again.
const KindBusy = guest.KindBusy

// The verdicts. Deny and Answer are for the request phase.
const (
	Continue = guest.Continue
	Deny     = guest.Deny
	Answer   = guest.Answer
)

// A module is one plugin, loaded.
type module interface {
	Phases() []Phase
	Instances() int
	Configure(ctx context.Context, config []byte) (pool, error)
	Close(ctx context.Context) error
}

// A pool is a module with one configuration. Call is as [guest.Pool.Call].
type pool interface {
	Call(ctx context.Context, phase Phase, x *guest.Exchange) (Verdict, error)
}

var _ pool = (*guest.Pool)(nil)

// guestModule makes a guest's pools those of a module.
type guestModule struct{ *guest.Plugin }

var _ module = guestModule{}

func (m guestModule) Configure(ctx context.Context, config []byte) (pool, error) {
	p, err := m.Plugin.Configure(ctx, config)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// openGuest compiles a module.
func (h *Host) openGuest(ctx context.Context, p *Plugin, binary []byte) (module, error) {
	log := h.log.With("plugin", p.Name)
	config := guest.Config{
		Name: p.Name, Binary: binary, Limits: p.Limits, Persistent: p.Persistent, CacheDir: h.cacheDir,
		Log: func(level slog.Level, line string) { log.Log(context.Background(), level, "plugin says", "line", line) },
	}
	if len(p.Fetch) > 0 {
		allows, err := h.allows(p.Fetch)
		if err != nil {
			return nil, err
		}
		config.Fetch = fetcher{h.fetch, allows}.fetch
	}
	plugin, err := guest.Load(ctx, config)
	if err != nil {
		return nil, err
	}
	for _, warning := range plugin.Warnings() {
		log.Warn("plugin: " + warning)
	}
	return guestModule{plugin}, nil
}
