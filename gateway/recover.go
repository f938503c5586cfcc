package gateway

import (
	"context"
	"fmt"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/journal"
)

// Recover brings the journal of an earlier process in order, before anything is served. What was running has been
// interrupted: its leftover processes are killed, its outcome says so, and its callback too. Nothing that may have begun
// is run again. What was accepted and never started takes its place in the queue, and is decided again when its turn
// comes. An error means that the journal cannot be read or written at all; a single job that cannot be recovered ends as
// failed.
func (g *Gateway) Recover(ctx context.Context) error {
	running, err := g.journal.Running(ctx)
	if err != nil {
		return fmt.Errorf("reading interrupted jobs: %w", err)
	}
	g.killLeftovers(ctx, running)
	if err := ctx.Err(); err != nil { // the next start finds the same, and ends what may be left of it
		return err
	}
	for _, row := range running {
		result := executor.Result{Status: executor.StatusInterrupted, Started: row.StartedAt, Ended: g.now()}
		g.endStored(g.resumed(row), result)
	}
	waiting, err := g.journal.Waiting(ctx)
	if err != nil {
		return fmt.Errorf("reading waiting jobs: %w", err)
	}
	for _, row := range waiting {
		g.resume(row)
	}
	if len(running)+len(waiting) > 0 {
		g.log.Info("recovered the journal", "interrupted", len(running), "waiting", len(waiting))
	}
	return nil
}

// killLeftovers kills what interrupted jobs left running, and removes the private directories of earlier jobs. What cannot
// be killed is told to the log: it must not keep the gateway from serving.
func (g *Gateway) killLeftovers(ctx context.Context, rows []journal.Job) {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	killed, err := g.runner.Sweep(ctx, ids)
	if killed > 0 {
		g.log.Warn("killed processes that interrupted jobs left behind", "processes", killed)
	}
	if err != nil { // they may still use their directories
		g.log.Error("processes that interrupted jobs left behind may still run", "error", err)
		return
	}
	if err := g.runner.RemoveLeftovers(); err != nil {
		g.log.Warn("private directories of earlier jobs could not be removed", "error", err)
	}
}

// requestOf is the request of a job in the journal. Of one that cannot be read, only the ID is known.
func requestOf(row journal.Job) Request {
	request, ok := StoredRequest(row.ID, row.Request)
	if !ok {
		request = Request{ID: row.ID, Time: row.AcceptedAt}
	}
	return request
}

// clientGone is why a job that waited does not run.
const clientGone = "its client is not in the gateway's configuration any more"

// resumed is the request of a job whose work goes on in this process, in the trace that it was in.
func (g *Gateway) resumed(row journal.Job) Request {
	request := requestOf(row)
	request.trace = g.tracer.Resume(request.Trace)
	return request
}

// resume gives a job that an earlier process accepted its place in the queue, for a client as it is configured today.
func (g *Gateway) resume(row journal.Job) {
	request := g.resumed(row)
	request.Wait = false // whoever waited is gone
	today, known := g.verifier.Principal(request.Principal.Client)
	if !known {
		result := failed(exitNotExecutable, clientGone)
		result.Started, result.Ended = g.now(), g.now()
		g.endStored(request, *result)
		return
	}
	today.KeyID = request.Principal.KeyID
	request.Principal = today
	l := g.newLife(request)
	l.queued = request.trace.Child(spanQueue)
	l.left = g.queue.AdmitStored(row.ID, row.Client, l.run)
	g.follows(l)
}

// endStored records the end of a job that does not run.
func (g *Gateway) endStored(request Request, result executor.Result) {
	if err := g.finish(request, &conclusion{Result: result}, func() { g.deliver(request) }); err != nil {
		g.log.Error("the end of an earlier job cannot be recorded yet", "job", request.ID, "status", result.Status, "error", err)
	}
}
