package main

import (
	"context"
	"sync"
)

var replayProbes = []probe{
	{"replay", "sends the same call twice", "the command runs once", replay},
	{"replay-at-once", "sends 16 copies of a call at once", "the command runs once", replayAtOnce},
	{"replay-after-restart", "sends a call again after the server was killed and started again", "the command runs once", replayAfterRestart},
	{"stuck-job", "kills the server while it runs a command, and starts it again", "the command is recorded as ended, and no process of it is left", stuckJob},
}

func replay(ctx context.Context, a *attempt) (finding, error) {
	c, err := a.call(a.marking())
	if err != nil {
		return finding{}, err
	}
	first, err := a.send(ctx, c)
	if err != nil {
		return finding{}, err
	}
	if got := a.result(first); !got.ran || got.failed {
		return seen(notTried, "the command fails: answered %v", first)
	}
	second, err := a.send(ctx, c)
	if err != nil {
		return finding{}, err
	}
	n, err := a.ran(ctx)
	if err != nil {
		return finding{}, err
	}
	return rightIf(n == 1, "answered %d and %d, the command ran %s", first.status, second.status, times(n))
}

func replayAtOnce(ctx context.Context, a *attempt) (finding, error) {
	const copies = 16
	c, err := a.call(a.marking())
	if err != nil {
		return finding{}, err
	}
	var all sync.WaitGroup
	errs := make([]error, copies)
	for i := range copies {
		all.Go(func() { _, errs[i] = a.send(ctx, c) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return finding{}, err
		}
	}
	n, err := a.ran(ctx)
	if err != nil {
		return finding{}, err
	}
	return rightIf(n == 1, "of %d copies, the command ran %s", copies, times(n))
}

func replayAfterRestart(ctx context.Context, a *attempt) (finding, error) {
	if a.restart == nil {
		return seen(notApplicable, "it is not this program's to restart")
	}
	c, err := a.call(a.marking())
	if err != nil {
		return finding{}, err
	}
	if _, err := a.send(ctx, c); err != nil {
		return finding{}, err
	}
	if err := a.restart(ctx); err != nil {
		return finding{}, err
	}
	again, err := a.send(ctx, c)
	if err != nil {
		return finding{}, err
	}
	n, err := a.ran(ctx)
	if err != nil {
		return finding{}, err
	}
	return rightIf(n == 1, "answered %d after the restart, the command ran %s", again.status, times(n))
}

func stuckJob(ctx context.Context, a *attempt) (finding, error) {
	if a.jobs == nil || a.restart == nil {
		return seen(notApplicable, "it keeps no record of what runs")
	}
	id, err := a.jobs.start(ctx, order{act: "tree", b: a.mark})
	if err != nil {
		return finding{}, err
	}
	if up, _, err := within(ctx, patience, func() (bool, error) { n, err := a.left(); return n == 2, err }); err != nil || !up {
		return seen(notTried, "the command did not begin: %v", err)
	}
	if err := a.restart(ctx); err != nil {
		return finding{}, err
	}
	var status string
	over, _, err := within(ctx, patience, func() (bool, error) {
		status, err = a.jobs.status(ctx, id)
		return a.jobs.over(status), err
	})
	if err != nil {
		return finding{}, err
	}
	_, _, err = within(ctx, patience, func() (bool, error) { n, err := a.left(); return n == 0, err })
	if err != nil {
		return finding{}, err
	}
	n, err := a.left()
	if err != nil {
		return finding{}, err
	}
	return rightIf(over && n == 0, "after the restart its status is %s, and %d of its 2 processes are left", status, n)
}
