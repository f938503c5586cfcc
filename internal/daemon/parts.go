package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/egress"
	"github.com/sidegate/sidegate/internal/jobs"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
)

// parts builds what the gateway is made of, all but the callbacks.
func (d *Daemon) parts(c *config.Config) (gateway.Config, error) {
	none := gateway.Config{}
	analyzer, err := shell.New(shell.Config{Path: strings.Split(c.Executor.Path, ":"), Shell: c.Executor.Shell})
	if err != nil {
		return none, err
	}
	runner, err := newRunner(c, d.log)
	if err != nil {
		return none, err
	}
	d.closers = append(d.closers, runner.Close)
	d.reportSandbox(runner.Report(), c.Executor.Profile)
	queue, err := jobs.New(jobs.Config{Concurrency: c.Executor.Concurrency, Length: c.Executor.Queue, Logger: d.log})
	if err != nil {
		return none, err
	}
	return gateway.Config{
		Verifier: d.verifier, Analyzer: analyzer, Policy: d.policy, Runner: runner, Journal: d.journal, Audit: d.auditKey, Queue: queue,
		Bounds: boundsOf(c.Executor),
		Limits: gateway.Limits{Body: c.Limits.Body, Rate: c.Limits.Rate, Burst: c.Limits.Burst, Calls: d.most},
		Host:   hostOf(c.Host, runner.Profiles()),
		Log:    d.log,
	}, nil
}

// newRunner puts private directories below the state directory. Where commands run as another user than the gateway,
// that user has to get through the state directory to them: it may pass, and still list and read nothing.
func newRunner(c *config.Config, log *slog.Logger) (*executor.Runner, error) {
	if c.Executor.User != "" || len(c.Executor.Allow.RunAs) > 0 {
		if err := os.Chmod(c.StateDir, 0o711); err != nil {
			return nil, err
		}
	}
	state, err := filepath.EvalSymlinks(c.StateDir) // the executor follows no link, and /var/run is one
	if err != nil {
		return nil, err
	}
	settings := runnerConfig(c)
	settings.WorkRoot, settings.Logger = filepath.Join(state, "work"), log
	return executor.New(settings)
}

// runnerConfig is what the configuration says of running commands. What the gateway lives on is kept from every command, whatever a policy grants.
func runnerConfig(c *config.Config) executor.Config {
	return executor.Config{User: c.Executor.User, Protected: ownFiles(c), Concurrency: c.Executor.Concurrency, Reserve: outputReserve(c)}
}

// startCallbacks builds the delivery of callbacks: out of the journal, through the dial guard.
func (d *Daemon) startCallbacks(c *config.Config, parts *gateway.Config) error {
	allowed, err := callback.NewAllowlist(c.Callbacks.Allow)
	if err != nil {
		return fmt.Errorf("%s: callbacks.allow: %w", c.Position("callbacks.allow"), err)
	}
	guard, err := egress.New(egress.Config{Own: d.addresses})
	if err != nil {
		return err
	}
	d.delivery, err = callback.New(callback.Config{
		Store: outbox{d.journal}, Client: guard.Client(c.Callbacks.Timeout), Allowed: allowed.Allows, Transform: d.transformCallback, Trace: d.tracedCallbacks(),
		Timeout: c.Callbacks.Timeout, Attempts: c.Callbacks.Attempts, MaxAge: c.Callbacks.MaxAge,
		PerDestination: c.Callbacks.PerDestination, Secrets: signedWith(c.Callbacks.Secret), Logger: d.log,
	})
	if err != nil {
		return err
	}
	parts.Callbacks, parts.CallbackDue, parts.RetryCallback = allowed, d.delivery.Wake, d.delivery.Retry
	return nil
}

// transformCallback takes an attempt through the plugins. The delivery starts after the gateway has been made.
func (d *Daemon) transformCallback(ctx context.Context, delivery callback.Delivery, stored callback.Body) (callback.Message, error) {
	return d.gateway.TransformCallback(ctx, delivery, stored)
}

// signedWith is what callbacks are signed with: nothing where no secret is configured.
func signedWith(secret config.Secret) [][]byte {
	if secret.IsZero() {
		return nil
	}
	return [][]byte{secret.Bytes()}
}

// observation is observe mode, and nil where the policy is enforced. It is said loudly that it is on, and when it is over.
func (d *Daemon) observation(c *config.Config) (*gateway.Observation, error) {
	observation, err := observationOf(c.Policy)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Position("policy.observe_obligations"), err)
	}
	if observation == nil {
		return nil, nil
	}
	until := observation.Until
	if time.Now().Before(until) {
		d.log.Warn("OBSERVE MODE: what the policy denies runs all the same, until the time given", "until", until)
	} else {
		d.log.Warn("observe mode is over: the policy is enforced; set policy.mode to enforce", "until", until)
	}
	return observation, nil
}

// reportSandbox says at every start how commands are held, and what the default profile promises and this host does not have.
func (d *Daemon) reportSandbox(r executor.Report, profile string) {
	d.log.Info("sandbox", "profile", profile, "child", r.Way, "landlock", r.Landlock)
	for _, s := range r.Profiles {
		if string(s.Profile) != profile {
			continue
		}
		for _, feature := range s.Missing {
			d.log.Warn("the sandbox of the default profile lacks a feature on this host; see `sidegate doctor`",
				"profile", profile, "feature", feature, "reason", s.Reasons[feature], "available", s.Available)
		}
	}
}

// observationOf is observe mode, and nil where the policy is enforced.
func observationOf(p config.Policy) (*gateway.Observation, error) {
	if p.Mode != "observe" {
		return nil, nil
	}
	obligations, err := policy.ParseObligations(p.ObserveObligations)
	if err != nil {
		return nil, fmt.Errorf("policy.observe_obligations: %w", err)
	}
	return &gateway.Observation{Until: p.ObserveUntil, Obligations: obligations}, nil
}

// boundsOf is what a configuration permits of jobs.
func boundsOf(e config.Executor) gateway.Bounds {
	return gateway.Bounds{
		Path: e.Path, Shell: e.Shell, Timeout: e.Timeout, MaxTimeout: e.MaxTimeout, MaxOutput: e.MaxOutput, Profile: e.Profile, User: e.User,
		Profiles: e.Allow.Profiles, Modes: e.Allow.Modes, RunAs: e.Allow.RunAs, Env: e.Allow.Env, BestEffort: e.Allow.BestEffort,
	}
}

// hostOf is what policies are told about this host.
func hostOf(h config.Host, profiles []executor.Support) policy.Host {
	host := policy.Host{Name: h.Name, Labels: h.Labels, Sandbox: map[string]bool{}}
	if host.Name == "" {
		host.Name, _ = os.Hostname() // a default configuration was never loaded, so it has no name yet
	}
	for _, s := range profiles {
		host.Sandbox[string(s.Profile)] = s.Available
	}
	return host
}
