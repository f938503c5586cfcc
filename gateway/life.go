package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/jobs"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/internal/tracing"
)

// life is an accepted job on its way to its end.
type life struct {
	g       *Gateway
	request Request
	ruling  atomic.Pointer[ruling] // nil until a job of an earlier process is decided again
	again   bool                   // the ruling is not the one that the journal has
	begun   bool                   // the journal says "running"
	queued  *tracing.Span          // while it waits for its slot

	left     <-chan struct{} // closed when the gateway stops before the job started
	underway chan struct{}   // closed when the command runs, or will not run
	ended    chan struct{}   // closed when there is nothing more to wait for
	taken    chan struct{}   // closed when nobody needs the result any more

	// Valid once underway is closed.
	running *executor.Running // whose output can be followed; nil where plugins hold it, or nothing runs
	heldBy  []string          // those plugins

	// Valid once ended is closed: the outcome that is on record, or why there is none.
	conclusion conclusion
	refusal    *Error
}

func (g *Gateway) newLife(request Request) *life {
	l := &life{g: g, request: request, underway: make(chan struct{}), ended: make(chan struct{}), taken: make(chan struct{})}
	if !request.Wait {
		close(l.taken)
	}
	return l
}

// accept commits the nonce, the decision and the job, and hands the job to the queue. A job that gets a slot at once is
// committed as running in the same transaction: one fsync instead of two.
func (g *Gateway) accept(ctx context.Context, call verified, request Request, r *ruling) (*life, error) {
	place, err := g.queue.Reserve(request.Principal.Client)
	switch {
	case errors.Is(err, jobs.ErrClosed):
		return nil, shuttingDown()
	case err != nil:
		return nil, &Error{Code: QueueFull, Message: "executor.queue jobs are waiting already; try again", RetryAfter: 5 * time.Second}
	}
	defer place.Release() // does nothing once Go was called
	row, err := g.row(request, r)
	if err != nil {
		return nil, err
	}
	admission := g.admission(call)
	admission.Job, admission.Begin = row, place.Immediate()
	admission.Leaves = [][]byte{g.admittedLeaf(request, r, row)}
	if admission.Begin {
		admission.Leaves = append(admission.Leaves, g.startedLeaf(request, r, nil))
	}
	committing := g.stage(request.trace, stageAdmit)
	if err := g.journal.Admit(ctx, admission); err != nil {
		committing.failed()
		return nil, g.notAdmitted(err)
	}
	committing.over()
	request.trace.Set(tracing.Job, request.ID)
	request.trace.Set(tracing.Decision, r.id)
	g.metrics.Accepted(request.Principal.Client, string(r.job.Profile), r.observed)
	l := g.newLife(request)
	if l.begun = place.Immediate(); !l.begun {
		l.queued = request.trace.Child(spanQueue)
	}
	l.ruling.Store(r)
	l.left = place.Go(request.ID, l.run)
	g.follows(l)
	if r.observed {
		g.log.Warn("observed: the policy denies this command, and it runs", "job", request.ID, "client", request.Principal.Client, "decision", r.id, request.traceAttr())
	}
	return l, nil
}

// follows lets others find a job that is in the queue. It may have ended already.
func (g *Gateway) follows(l *life) {
	g.lives.Store(l.request.ID, l)
	if l.hasEnded() {
		g.lives.Delete(l.request.ID)
	}
}

// live returns a job that this gateway waits for or runs.
func (g *Gateway) live(id string) (*life, bool) {
	l, ok := g.lives.Load(id)
	if !ok {
		return nil, false
	}
	return l.(*life), true
}

// row is what the journal keeps of a job: enough to show what was asked and decided, and to decide again after a wait or
// a restart. A job may wait as long as it may run.
func (g *Gateway) row(request Request, r *ruling) (*journal.NewJob, error) {
	asked, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	decided, err := r.record()
	if err != nil {
		return nil, err
	}
	row := &journal.NewJob{
		ID: request.ID, Client: request.Principal.Client, DecisionID: r.id, Command: request.Command,
		Request: asked, Spec: decided, Revision: r.decision.Revision, Labels: request.Labels,
		AcceptedAt: request.Time, Expires: request.Time.Add(g.bounds.MaxTimeout),
	}
	if request.Argv != nil {
		row.Command, _ = shell.Quote(request.Argv) // for lists; one that cannot be written as a line is shown without
	}
	if request.Callback != nil {
		row.Callback = request.Callback.String()
	}
	return row, nil
}

// run is the job's life from its slot to its end. The queue calls it once. The slot is held until the result has been
// sent, so that callers who do not read their replies cannot pile up results in memory; a reply that is not taken within
// replyTime is given up.
func (l *life) run(ctx context.Context) {
	l.runToEnd(ctx)
	select {
	case <-l.taken:
		l.conclusion.Close()
	case <-ctx.Done(): // the reply may be on its way
		go func() {
			<-l.taken
			l.conclusion.Close()
		}()
	}
}

func (l *life) runToEnd(ctx context.Context) {
	// Whoever waits gets an answer also if what follows panics; the queue logs the panic.
	l.refusal = &Error{Code: Internal, Message: "the gateway failed while the command ran; its log says why"}
	defer l.over()
	l.queued.End()
	if !l.begun {
		switch ended, err := l.begin(ctx); {
		case ended != nil:
			l.end(*ended)
			return
		case err != nil: // the gateway stops: the job stays accepted, for its next start
			l.g.log.Info("a waiting job is left for the next start", "job", l.request.ID, "cause", err)
			l.refusal = l.postponed()
			return
		}
	}
	l.end(l.execute(ctx))
}

// over tells those who wait that there is nothing more to wait for. What is to be known of the job from now on, the journal knows.
func (l *life) over() {
	select {
	case <-l.underway:
	default:
		close(l.underway)
	}
	close(l.ended)
	l.g.lives.Delete(l.request.ID)
}

// end takes the result through the plugins of the response phase (step 9), commits the outcome and the callback (step
// 10), and has the callback delivered.
func (l *life) end(result executor.Result) {
	if result.Ended.IsZero() {
		result.Started, result.Ended = l.g.now(), l.g.now()
	}
	concluded := l.g.conclude(l.request, l.ruling.Load(), result)
	err := l.g.finish(l.request, &concluded, l.recorded)
	if errors.Is(err, journal.ErrContent) {
		l.g.log.Error("the output of a command is lost, because it cannot be read back", "job", l.request.ID, "error", err)
		concluded.drop()
		err = l.g.finish(l.request, &concluded, l.recorded) // there is nothing to read any more
	}
	if err != nil {
		concluded.Close()
		l.refusal = &Error{
			Code: OutcomeNotRecorded, DecisionID: l.decisionID(), Cause: err,
			Message: fmt.Sprintf("the command ran (%s, exit code %d), but its outcome could not be recorded yet; look at the gateway's disk", result.Status, result.ExitCode),
		}
		return
	}
	l.conclusion, l.refusal = concluded, concluded.withheld
	if l.refusal != nil {
		l.refusal.DecisionID = l.decisionID()
	}
	l.g.log.Info("job ended", "job", l.request.ID, "client", l.request.Principal.Client, "status", result.Status, "exit_code", result.ExitCode,
		"duration_ms", result.Ended.Sub(result.Started).Milliseconds(), l.request.traceAttr())
	l.recorded()
}

// recorded has the callback delivered, once its job's outcome is on record.
func (l *life) recorded() { l.g.deliver(l.request) }

// deliver has the callback of a request delivered, if there is one.
func (g *Gateway) deliver(req Request) {
	if req.Callback != nil {
		g.callbackDue(req.Callback.Origin())
	}
}
