package executor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Defaults of Config.
const (
	DefaultKillGrace = 500 * time.Millisecond
	DefaultPipeGrace = 2 * time.Second
)

// Config is what a Runner needs. It is validated by New and not read again.
type Config struct {
	// WorkRoot is an absolute path free of symbolic links whose parent exists, for private directories. New makes it with mode 0711, or takes
	// one that belongs to the gateway's user and that nobody else can write to. Where commands run as another user, that user must be able
	// to reach it: it cannot lie below a directory of mode 0700. One Runner at a time may use it, because RemoveLeftovers removes what is not its own.
	WorkRoot string
	// User is the user that commands run as when the job names none. "" is the gateway's own user. New fails if it is unknown; that the
	// gateway may not switch to it is an error of each Run.
	User string
	// KillGrace is the time between SIGTERM and SIGKILL; 0 means DefaultKillGrace.
	KillGrace time.Duration
	// PipeGrace is how long descendants may hold the output of a command that has ended; 0 means DefaultPipeGrace.
	PipeGrace time.Duration
	// Logger gets what concerns the host and not the job: a private directory that cannot be removed, a process that cannot be killed.
	// nil means none.
	Logger *slog.Logger
}

// Runner runs jobs. It is safe for concurrent use, bounds nothing by itself, and holds nothing that would need closing.
type Runner struct {
	config    Config
	log       *slog.Logger
	maySwitch bool

	mu    sync.Mutex
	users map[string]identity

	leftMu    sync.Mutex
	leftovers []string // private directories that were there before this Runner
}

// New checks the configuration and what the package needs of the kernel, and notes which private directories a crashed gateway has left. It removes
// none of them: processes that such a gateway has left may still use them. Call Sweep to end those, and then RemoveLeftovers.
func New(c Config) (*Runner, error) {
	if c.KillGrace < 0 || c.PipeGrace < 0 {
		return nil, errors.New("executor: a grace is negative")
	}
	if c.KillGrace == 0 {
		c.KillGrace = DefaultKillGrace
	}
	if c.PipeGrace == 0 {
		c.PipeGrace = DefaultPipeGrace
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := probeKernel(); err != nil {
		return nil, fmt.Errorf("executor: %w", err)
	}
	if err := prepareWorkRoot(c.WorkRoot); err != nil {
		return nil, fmt.Errorf("executor: %w", err)
	}
	r := &Runner{config: c, log: c.Logger, maySwitch: maySwitchUsers(), users: make(map[string]identity)}
	if _, err := r.identityOf(""); err != nil && !errors.Is(err, ErrMayNotSwitch) {
		return nil, fmt.Errorf("executor: %w", err)
	}
	leftovers, err := findPrivate(c.WorkRoot)
	if err != nil {
		return nil, fmt.Errorf("executor: %w", err)
	}
	r.leftovers = leftovers
	return r, nil
}

// probeKernel fails early and plainly where jobs would fail one by one.
func probeKernel() error {
	proc, err := openExact("/proc/sys/kernel", unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("needs a mounted /proc and Linux 5.11: %w", err)
	}
	proc.Close()
	if err := unix.CloseRange(math.MaxUint32, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("needs Linux 5.11: %w", os.NewSyscallError("close_range", err))
	}
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return fmt.Errorf("needs Linux 5.11: %w", os.NewSyscallError("pidfd_open", err))
	}
	return unix.Close(fd)
}

// Run runs the job and returns when everything it has started is gone. See the package documentation for what an error means. A context that ends
// while the command runs ends the command, and Result.Status is StatusKilled.
func (r *Runner) Run(ctx context.Context, job Job) (Result, error) {
	if err := job.check(); err != nil {
		return Result{}, &StartError{Step: StepJob, Err: err}
	}
	holds, err := admit(&job)
	if err != nil {
		return Result{}, err
	}
	p, done, err := r.start(ctx, &job)
	if err != nil {
		return Result{}, err
	}
	defer done()
	res, err := p.supervise(ctx)
	if err != nil {
		r.log.Error("executor: a job did not end cleanly", "job", job.ID, "error", err)
	}
	res.Enforced, res.Missing = holds.Enforced, holds.Missing
	if p.user.switches {
		res.Enforced = append(res.Enforced, featureUser)
	}
	return res, nil
}

// start opens what the job needs and launches it. done closes all of that, and is nil with an error.
func (r *Runner) start(ctx context.Context, job *Job) (p *running, done func(), err error) {
	var opened []func()
	closeAll := func() {
		for _, f := range opened {
			f()
		}
	}
	fail := func(step string, err error) (*running, func(), error) {
		closeAll()
		return nil, nil, &StartError{Step: step, Err: err}
	}

	id, err := r.identityOf(job.User)
	if err != nil {
		return fail(StepUser, err)
	}
	if err := job.Program.verify(); err != nil {
		return fail(StepProgram, err)
	}
	dir, err := r.openWorkdir(job.Workdir, id)
	if err != nil {
		return fail(StepWorkdir, err)
	}
	opened = append(opened, func() {
		if err := dir.close(); err != nil {
			r.log.Error("executor: a private directory could not be removed", "job", job.ID, "error", err)
		}
	})
	stdin, err := os.Open(os.DevNull)
	if err != nil {
		return fail(StepOutput, err)
	}
	opened = append(opened, func() { stdin.Close() })
	p = &running{runner: r, job: job, user: id}
	for i, name := range []string{"stdout", "stderr"} {
		s, err := newStream(name, job.MaxOutput)
		if err != nil {
			return fail(StepOutput, err)
		}
		opened = append(opened, s.close)
		p.streams[i] = s
	}
	if ctx.Err() != nil {
		return fail(StepStart, fmt.Errorf("%w: %w", ErrCancelledBeforeStart, context.Cause(ctx)))
	}
	p.started = time.Now()
	p.child, err = launch(spec{
		path: job.Program.Path, argv: job.Argv, env: job.environment(dir.path), dir: dir.dir, user: id,
		stdin: stdin, stdout: p.streams[0].far, stderr: p.streams[1].far,
	})
	if err != nil {
		return fail(StepStart, err)
	}
	opened = append(opened, func() { p.child.done.Close() })
	for _, s := range p.streams {
		s.closeFar()
	}
	return p, closeAll, nil
}
