package gateway

import (
	"context"
	"errors"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/tracing"
	"github.com/sidegate/sidegate/wasm"
)

// execute runs the command. What could not be started is a result too: the job was accepted, so it has an end.
func (l *life) execute(ctx context.Context) executor.Result {
	job := l.ruling.Load().job
	running := l.request.trace.Child(spanRun)
	defer running.End()
	running.Set(tracing.Profile, string(job.Profile))
	result, err := l.start(ctx, job)
	if err == nil {
		running.Set(tracing.Status, string(result.Status))
		running.SetInt(tracing.ExitCode, result.ExitCode)
		return result
	}
	running.Fail()
	if errors.Is(err, executor.ErrCancelledBeforeStart) {
		return executor.Result{Status: executor.StatusKilled, Cause: context.Cause(ctx)}
	}
	l.g.log.Warn("a job could not be started", "job", l.request.ID, "error", err, l.request.traceAttr())
	return *notStarted(err, job)
}

// start starts the command and lets others follow its output, unless plugins of the response phase are to see it first.
func (l *life) start(ctx context.Context, job executor.Job) (executor.Result, error) {
	started, err := l.g.runner.Start(ctx, job)
	if err != nil {
		return executor.Result{}, err
	}
	if l.heldBy = l.g.holders(l.request, l.ruling.Load()); len(l.heldBy) == 0 {
		l.running = started
	}
	close(l.underway)
	return started.Wait(ctx), nil
}

// holders names the plugins that the output of a command goes through. As long as there are any, nobody gets to see it before they have.
func (g *Gateway) holders(req Request, r *ruling) []string {
	chain := g.selectChain(wasm.PhaseResponse, req, &r.analysis)
	if chain == nil {
		return nil
	}
	defer chain.Close()
	return chain.Names()
}
