package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
)

// Reload reads the configuration, what it names, and the policies again, and brings new clients, secrets, certificates, plugins, chains and policies into force: all of
// them at one moment, or, where anything is wrong with one, none, and what was in force stays. So it is where the file changes what needs a restart: the
// gateway never runs by a configuration that stands in no file. A request is judged by what was in force before or by what is in force after it, and one that
// comes in after Reload has returned by the latter. Jobs that run go on, also those of clients that are gone. When ctx ends nothing is waited for:
// a module that is being compiled is given up.
func (d *Daemon) Reload(ctx context.Context) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if d.ended {
		return notReloaded(errEnded)
	}
	d.supervisor.Reloading()
	err := d.reload(ctx)
	d.reloadFailed = err != nil
	d.metrics.Reloaded(err == nil)
	public := err
	var set *setProblems
	if errors.As(err, &set) {
		public = set.public
	}
	d.gateway.SetReloadProblem(notReloaded(public))
	d.supervisor.Ready("serving" + d.edit())
	return notReloaded(err)
}

// errEnded says that a reload comes too late.
var errEnded = errors.New("the gateway has ended")

// endReloads waits for the reload that is going on, so that what it works on can be closed, and lets no other begin.
func (d *Daemon) endReloads() {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	d.ended = true
}

func notReloaded(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("nothing was reloaded, and what was in force stays: %w", err)
}

func (d *Daemon) reload(ctx context.Context) error {
	var next *config.Config
	discard := func() {}
	defer func() { discard() }() // does nothing once the plugins are active
	// The policies are held from the beginning: an edit of theirs that belongs to one of the configuration must not come into force while that is being prepared.
	err := d.policy.ReloadWith(ctx, func() (func(), error) {
		c, err := d.config.Reread()
		if err != nil {
			return nil, err
		}
		exchange, giveUp, err := d.prepare(ctx, c)
		if err != nil {
			return nil, err
		}
		next, discard = c, giveUp
		return exchange, nil
	})
	if err != nil {
		return err
	}
	d.inForce(ctx, next)
	return nil
}

// prepare does all of a reload that can fail, but for the policies. Either exchange or giveUp has to be called, soon; the first call counts.
func (d *Daemon) prepare(ctx context.Context, c *config.Config) (exchange, giveUp func(), err error) {
	if late := needRestart(d.config, c); len(late) > 0 {
		return nil, nil, &restartError{c, late}
	}
	clients, err := auth.NewSet(clientsOf(c))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: clients: %w", c.Position("clients"), err)
	}
	secure, err := readSecure(c.TLS)
	if err != nil {
		return nil, nil, err
	}
	plugins, err := d.plugins.Prepare(ctx, pluginSet(c))
	if err != nil {
		return nil, nil, positioned(c, err)
	}
	// Before what is new may be relied on: that it stays guarded if the policies are refused keeps nobody from anything.
	if err := d.watched.runner.Protect(ownFiles(c)...); err != nil {
		plugins.Discard()
		return nil, nil, err
	}
	return func() {
		d.gateway.Exchange(func() {
			plugins.Activate()
			d.verifier.Replace(clients)
			d.securing.now.Store(secure)
			d.delivery.SetSecrets(signedWith(c.Callbacks.Secret))
			d.gateway.SetCallbackKwargs(kwargsOf(c))
		})
	}, plugins.Discard, nil
}

// inForce notes that a configuration has come into force.
func (d *Daemon) inForce(ctx context.Context, c *config.Config) {
	activated := d.pluginsInForce()
	if activated == nil {
		activated = map[string]string{}
	}
	activated["configuration"] = c.Digest()
	changed := changedClients(d.config.Clients, c.Clients)
	for name, how := range changed {
		activated["client "+name] = how
	}
	d.record(context.WithoutCancel(ctx), audit.Leaf{Type: audit.Reload, Activated: activated})
	if len(changed) > 0 {
		d.log.Info("clients changed", "clients", changed)
		for _, note := range CommandNotes(c, d.watched.runner.Report()) {
			d.log.Warn(note)
		}
	}
	setLevel(d.log, c.Telemetry)
	d.config = c
}

// changedClients says what became of each client that is not what it was.
func changedClients(old, now []config.Client) map[string]string {
	changed := map[string]string{}
	byName := func(list []config.Client, name string) *config.Client {
		if i := slices.IndexFunc(list, func(c config.Client) bool { return c.Name == name }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	for _, c := range old {
		switch today := byName(now, c.Name); {
		case today == nil:
			changed[c.Name] = "removed"
		case !equal(c, *today):
			changed[c.Name] = "changed"
		}
	}
	for _, c := range now {
		if byName(old, c.Name) == nil {
			changed[c.Name] = "added"
		}
	}
	return changed
}
