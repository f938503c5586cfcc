package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/sidegate/sidegate/internal/config"
)

// Hurry ends the graces of a drain, now or when it comes to that: what still runs is killed and recorded as killed. It may be called more than once and at any time.
func (d *Daemon) Hurry() { d.hurryOnce.Do(func() { close(d.hurry) }) }

// drain ends the service step by step. docs/operate.md tells operators what happens when; the two go together.
func (d *Daemon) drain(c config.Drain) {
	within := c.Delay + linger + c.Grace + farewell + closing
	d.supervisor.Stopping("stopping: running commands get "+c.Grace.String(), within)
	hurried, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-d.hurry:
			d.log.Warn("told to hurry: what still runs is killed")
			cancel()
		case <-hurried.Done():
		}
	}()

	// Whoever sends callers here learns first that it is to send no more, and has time for that.
	d.gateway.Leave()
	pause(hurried, c.Delay)
	// Then nobody new is let in: on a socket of our own they wait for the next step, on one that was passed for the next gateway.
	for _, at := range d.callersDoors() {
		if err := at.leave(); err != nil {
			d.log.Warn("a listener did not close", "error", err)
		}
	}
	d.partWith(hurried)
	// Now no new work is taken, and who comes is told so. What waits stays in the journal for the next start, what runs gets its grace.
	d.gateway.Refuse()
	for _, at := range d.callersDoors() {
		at.turnAway()
	}
	grace, end := context.WithTimeout(hurried, c.Grace)
	defer end()
	if err := d.gateway.Drain(grace); err != nil {
		d.log.Warn("some commands did not end within the grace and were killed", "error", err)
	}
	d.supervisor.Status("stopping: sending the last replies")
	last, end := context.WithTimeout(context.Background(), farewell)
	defer end()
	for _, at := range d.callersDoors() { // or who has come and said nothing would be waited for
		if err := at.Close(); err != nil && !at.passed {
			d.log.Warn("a listener did not close", "error", err)
		}
		at.dismiss()
	}
	for _, at := range d.doors { // the admin's is the last
		if err := at.server.Shutdown(last); err != nil {
			_ = at.server.Close()
		}
	}
	d.supervisor.Status("stopping: closing the journal")
}

// partWith waits until no caller is connected, or for as long as callers get who are between two requests, and then cuts those.
func (d *Daemon) partWith(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, linger)
	defer cancel()
	for _, at := range d.callersDoors() {
		select {
		case <-at.emptied:
		case <-ctx.Done():
		}
		at.dismiss()
	}
}

// callersDoors are all but the admin's: who looks after a gateway sees it stop.
func (d *Daemon) callersDoors() []*door {
	if n := len(d.doors); n > 0 && d.doors[n-1].admin {
		return d.doors[:n-1]
	}
	return d.doors
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, t time.Duration) {
	if t <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(t):
	}
}

// state says in a line how the gateway fares.
func (d *Daemon) state() string {
	queue := d.watched.queue.Stats()
	text := fmt.Sprintf("%d running, %d waiting", queue.Running, queue.Waiting)
	if status := d.policy.Status(); !status.Ready {
		text += "; NO POLICY IS LOADED, so nothing is allowed"
	}
	if d.reloading.TryLock() { // who reloads tells of it
		defer d.reloading.Unlock()
		text += d.edit()
	}
	return text
}

// edit says what became of the newest edit of the configuration, where that should be known. The caller holds d.reloading.
func (d *Daemon) edit() string {
	if d.reloadFailed {
		return "; the newest edit of the configuration is refused"
	}
	return ""
}
