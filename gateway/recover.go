package gateway

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/journal"
)

// Recover brings the journal of an earlier process in order, before anything is served. What was running has been
// interrupted: its leftover processes are killed, its outcome says so, and its callback too. Nothing that may have begun
// is run again. What was accepted and never started takes its place in the queue, and is decided again when its turn
// comes.
func (g *Gateway) Recover(ctx context.Context) error {
	running, err := g.journal.Running(ctx)
	if err != nil {
		return fmt.Errorf("reading interrupted jobs: %w", err)
	}
	if err := g.interrupt(ctx, running); err != nil {
		return err
	}
	waiting, err := g.journal.Waiting(ctx)
	if err != nil {
		return fmt.Errorf("reading waiting jobs: %w", err)
	}
	for _, row := range waiting {
		l := &life{g: g, ended: make(chan struct{})}
		if err := json.Unmarshal(row.Request, &l.request); err != nil {
			return fmt.Errorf("job %s: its request cannot be read: %w", row.ID, err)
		}
		g.queue.AdmitStored(row.ID, l.run)
	}
	if len(running)+len(waiting) > 0 {
		g.log.Info("recovered the journal", "interrupted", len(running), "waiting", len(waiting))
	}
	return nil
}

// interrupt ends the jobs that an earlier process left running.
func (g *Gateway) interrupt(ctx context.Context, rows []journal.Job) error {
	if len(rows) == 0 {
		return nil
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	killed, err := g.runner.Sweep(ctx, ids)
	if err != nil {
		return fmt.Errorf("killing what interrupted jobs left behind: %w", err)
	}
	if killed > 0 {
		g.log.Warn("killed processes that interrupted jobs left behind", "processes", killed)
	}
	for _, row := range rows {
		var request Request
		if err := json.Unmarshal(row.Request, &request); err != nil {
			return fmt.Errorf("job %s: its request cannot be read: %w", row.ID, err)
		}
		result := executor.Result{Status: executor.StatusInterrupted, Started: row.StartedAt, Ended: g.now()}
		if err := g.journal.Finish(ctx, outcomeOf(request, result)); err != nil {
			return fmt.Errorf("job %s: recording that it was interrupted: %w", row.ID, err)
		}
	}
	return nil
}

// Drain stops admitting and waits for what runs. When ctx ends first, what still runs is killed and recorded as killed.
// What waits stays in the journal for the next start.
func (g *Gateway) Drain(ctx context.Context) error {
	g.closing.Store(true)
	return g.queue.Drain(ctx)
}
