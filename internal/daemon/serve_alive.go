package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/systemd"
)

// An Option changes how New builds a Daemon.
type Option func(*Daemon) error

// SupervisedBy has the daemon tell its supervisor how it fares. A supervised daemon does not start where the default profile cannot be enforced: it would serve and
// refuse nearly everything, and its supervisor would take that for success.
func SupervisedBy(s *systemd.Supervisor) Option {
	return func(d *Daemon) error {
		d.supervisor = s
		return nil
	}
}

// ListeningOn has the daemon take sockets that were passed to it, each for the address of the configuration that it is at. The daemon closes them.
func ListeningOn(sockets []systemd.Socket) Option {
	return func(d *Daemon) (err error) {
		d.inherited, err = matchSockets(d.config, sockets)
		return err
	}
}

// proven fails where a supervisor must not be told that the gateway is ready.
func (d *Daemon) proven(c *config.Config) error {
	if !d.supervisor.Listens() {
		return nil
	}
	if err := gateway.SandboxOf(d.watched.runner.Report()).Unavailable(c.Executor.Profile); err != nil {
		return fmt.Errorf("%s: executor.profile: %w; `sidegate doctor` says more", c.Position("executor.profile"), err)
	}
	return nil
}

// showLife gives signs of life for as long as there are some, until ctx ends.
func (d *Daemon) showLife(ctx context.Context) {
	every := d.supervisor.Watchdog() / 2
	if every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	var decided bool // a policy has been loaded
	for {
		probe, cancel := context.WithTimeout(ctx, every)
		err := d.alive(probe, &decided)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			d.log.Error("no sign of life for the service manager, which will start the gateway again if this lasts", "error", err)
		default:
			d.supervisor.Alive(d.state())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// alive looks at what only a new start can mend. That the journal answers is what counts, and not what: to start again makes no room on a full disk. In the same way a
// policy that has never come, because its server is down, is not there after a new start either; one that was there and is gone is another matter.
func (d *Daemon) alive(ctx context.Context, decided *bool) error {
	if err := d.journal.Writable(ctx); errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the journal does not answer: %w", err)
	}
	loaded := d.policy.Status().Ready
	if *decided && !loaded {
		return errors.New("the policy is gone")
	}
	*decided = loaded
	return nil
}
