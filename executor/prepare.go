package executor

import "context"

// Prepared is a job for which everything is open that its child needs, and nothing was started yet. It is to be started or closed, once, by one goroutine.
type Prepared struct {
	runner *Runner
	job    *launching
	err    error // why it cannot be started
}

// Prepare does what can be done for a job before it may start, such as to look its program up, so that Start has less to do. What is wrong Start tells.
// Nothing of the job is run.
func (r *Runner) Prepare(job Job) *Prepared {
	if err := job.check(); err != nil {
		return &Prepared{err: &StartError{Step: StepJob, Err: err}}
	}
	holds, err := r.admit(&job)
	if err != nil {
		return &Prepared{err: err}
	}
	return r.prepare(&launching{runner: r, job: &job, holds: holds})
}

// prepare is Prepare for a job that was admitted.
func (r *Runner) prepare(l *launching) *Prepared {
	if err := l.open(); err != nil {
		l.close()
		return &Prepared{err: err}
	}
	return &Prepared{runner: r, job: l}
}

// Start starts the job. Errors are those of Run; after one, nothing is left to be closed.
func (p *Prepared) Start(ctx context.Context) (*Running, error) {
	if p.err != nil {
		return nil, p.err
	}
	started, err := p.runner.start(ctx, p.job)
	if err != nil {
		p.job.close()
		return nil, err
	}
	return &Running{started}, nil
}

// Close gives up a job that is not to be started. nil is none.
func (p *Prepared) Close() {
	if p != nil && p.job != nil {
		p.job.close()
	}
}
