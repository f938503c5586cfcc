package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/egress"
	"github.com/sidegate/sidegate/internal/metrics"
	"github.com/sidegate/sidegate/wasm"
)

// startPlugins loads the plugins. A configuration whose plugins do not load does not start: the gateway would refuse, or
// let pass, what its configuration does not say.
func (d *Daemon) startPlugins(ctx context.Context, c *config.Config, parts *gateway.Config) error {
	guard, err := egress.New(egress.Config{Own: d.addresses})
	if err != nil {
		return err
	}
	if d.plugins, err = newPluginHost(c, guard, d.metrics, d.log); err != nil {
		return err
	}
	d.closers = append(d.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), pluginFarewell)
		defer cancel()
		if err := d.plugins.Close(ctx); err != nil { // whoever waits for it is turned away: the queue is closed
			d.log.Warn("a plugin was still called when the gateway stopped", "error", err)
		}
		return nil
	})
	if err := d.plugins.Load(ctx, pluginSet(c)); err != nil {
		return positioned(c, err)
	}
	parts.Plugins = d.plugins
	return nil
}

// pluginFarewell is what calls of plugins get to end when the gateway stops.
const pluginFarewell = 5 * time.Second

// newPluginHost builds the host of plugins. What they fetch goes through the dial guard, as callbacks do.
func newPluginHost(c *config.Config, guard *egress.Guard, m *metrics.Metrics, log *slog.Logger) (*wasm.Host, error) {
	client := guard.Client(0)
	return wasm.New(wasm.Config{
		CacheDir: filepath.Join(c.StateDir, "wasm-cache"),
		Fetch:    func(r *http.Request) (*http.Response, error) { return client.Do(r) },
		Allows:   destinations,
		Called:   func(plugin string, phase wasm.Phase, took time.Duration) { m.PluginCalled(plugin, string(phase), took) },
		Log:      log,
	})
}

// destinations reads patterns of destinations, as callbacks.allow has them.
func destinations(patterns []string) (func(url string) error, error) {
	list, err := callback.NewAllowlist(patterns)
	if err != nil {
		return nil, patternProblem(err)
	}
	return func(url string) error {
		d, err := callback.ParseDestination(url)
		switch {
		case err != nil:
			return err
		case !list.Allows(d):
			return errors.New("it is not one that the plugin's capabilities list")
		}
		return nil
	}, nil
}

// patternProblem is what [callback.NewAllowlist] finds wrong with the one pattern that it was given, without the place of
// that one, which its key tells. The pattern itself is not repeated: somebody may have written a password into it.
func patternProblem(err error) error {
	return fmt.Errorf("%w; a pattern is a URL such as http://127.0.0.1:9000/verify, with * for anything in its path, as in http://127.0.0.1:9000/*", errors.Unwrap(err))
}

// pluginSet is the configuration of plugins in the words of their host.
func pluginSet(c *config.Config) wasm.Set {
	var set wasm.Set
	for _, p := range c.Plugins {
		set.Plugins = append(set.Plugins, wasm.Plugin{
			Name: p.Name, Path: p.Path, Digest: p.Digest, Priority: p.Priority,
			Limits: wasm.Limits{
				Memory: p.Limits.Memory, Fuel: int64(p.Limits.Fuel), Deadline: p.Limits.Deadline, Output: p.Limits.Output, Log: p.Limits.Log,
				Concurrency: p.Limits.Concurrency, Module: p.Limits.Module,
			},
			Failure: wasm.FailureMode(p.Failure), Persistent: p.State == "persistent",
			Fetch: p.Capabilities.HTTPFetch, MayChange: p.MayChange, KeepText: p.Record == "text",
		})
	}
	for _, chain := range c.Chains {
		set.Chains = append(set.Chains, wasm.Chain{
			Name: chain.Name, Phase: wasm.Phase(chain.Phase), Plugins: chain.Plugins, Selector: selectorOf(chain.Selector),
		})
	}
	for _, pc := range c.PluginConfigs {
		set.Configs = append(set.Configs, wasm.PluginConfig{Plugin: pc.Plugin, Selector: selectorOf(pc.Selector), Config: pc.Config.Bytes()})
	}
	return set
}

func selectorOf(s config.Selector) wasm.Selector {
	selector := wasm.Selector{MatchLabels: s.MatchLabels}
	for _, e := range s.MatchExpressions {
		selector.MatchExpressions = append(selector.MatchExpressions, wasm.Expression(e))
	}
	return selector
}

// checkPlugins reports what is wrong with the configuration of plugins as far as no module is needed to see it.
func checkPlugins(c *config.Config, report func(key string, err error)) {
	host, err := wasm.New(wasm.Config{Fetch: fetchNothing, Allows: destinations})
	if err != nil {
		report("plugins", err)
		return
	}
	reportSet(c, host.Check(pluginSet(c)), report)
}

// checkModules reports what keeps the modules of a configuration from being loaded. They are compiled as at a start, and
// nothing is kept or sent.
func checkModules(ctx context.Context, c *config.Config, report func(key string, err error)) {
	host, err := wasm.New(wasm.Config{Fetch: fetchNothing, Allows: destinations, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		report("plugins", err)
		return
	}
	defer host.Close(ctx)
	set := pluginSet(c)
	if host.Check(set) != nil {
		return // which was told already
	}
	prepared, err := host.Prepare(ctx, set)
	if err != nil {
		reportSet(c, err, report)
		return
	}
	prepared.Discard()
}

func fetchNothing(*http.Request) (*http.Response, error) {
	return nil, errors.New("nothing is fetched by a check")
}

// reportSet reports each problem of a set at its own key.
func reportSet(c *config.Config, err error, report func(key string, err error)) {
	var set *wasm.SetError
	switch {
	case errors.As(err, &set):
		for _, p := range set.Problems {
			if r := refusalOf(c, p); r != nil {
				report(p.Key, r)
				continue
			}
			report(p.Key, errors.New(p.Message))
		}
	case err != nil:
		report("plugins", err)
	}
}

// setProblems is what is wrong with the plugins of a configuration, and where that stands in its file.
type setProblems struct {
	error        // for who runs the gateway
	public error // the same without the words of plugins
}

func (e *setProblems) Unwrap() error { return e.error }

// positioned adds to the problems of a set where they stand in the configuration's file.
func positioned(c *config.Config, err error) error {
	var told, public []error
	reportSet(c, err, func(key string, err error) {
		at := c.Position(key) + ": " + key
		told = append(told, fmt.Errorf("%s: %w", at, err))
		var refused *refusal
		if errors.As(err, &refused) {
			err = refused.withoutWords()
		}
		public = append(public, fmt.Errorf("%s: %w", at, err))
	})
	return &setProblems{errors.Join(told...), errors.Join(public...)}
}

// Stages are the steps of each phase under a configuration, in their order.
func Stages(c *config.Config) []wasm.Stage { return pluginSet(c).Order() }
