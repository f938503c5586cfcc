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

	"github.com/sidegate/sidegate/executor/internal/reap"
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
	// Protected are paths that no job may read or write, whatever its decision lists: the configuration, the state directory, secrets. WorkRoot may lie
	// below one of them. Those that do not exist are left out. [Runner.Protect] adds more.
	Protected []string
	// Concurrency is how many jobs run at once at most: as many control groups and private directories are kept for reuse. 0 means that each is
	// made anew.
	Concurrency int
	// Way is how children are made; "" means the fastest that this processor has.
	Way Way
	// Reserve is how many bytes of WorkRoot's file system output must leave free. What is longer than 64 KiB is kept in a file there, and with less room
	// no more of it is. 0 means DefaultReserve, a negative number none.
	Reserve int64
	// Cgroup is the control group below which those of jobs are made, as /proc/self/cgroup writes it; "" means the gateway's own.
	Cgroup string
}

// Runner runs jobs. It is safe for concurrent use and bounds nothing by itself. It has to be closed. It also waits for children that commands make for the
// gateway, and for orphans where these come to this process, as to the first of a pid namespace.
type Runner struct {
	config    Config
	log       *slog.Logger
	maySwitch bool
	sandbox   *sandbox
	privates  *privates
	reaper    *reap.Reaper

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
	if c.Reserve == 0 {
		c.Reserve = DefaultReserve
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
	r.privates = &privates{root: c.WorkRoot, keep: c.Concurrency, log: c.Logger, idle: map[ownership][]*private{}}
	if _, err := r.identityOf(""); err != nil && !errors.Is(err, ErrMayNotSwitch) {
		return nil, fmt.Errorf("executor: %w", err)
	}
	leftovers, err := findPrivate(c.WorkRoot)
	if err != nil {
		return nil, fmt.Errorf("executor: %w", err)
	}
	r.leftovers = leftovers
	if r.sandbox, err = newSandbox(c); err != nil {
		return nil, fmt.Errorf("executor: %w", err)
	}
	if r.reaper, err = reap.Start(r.log); err == nil {
		err = r.prove()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("executor: %w", err), r.Close())
	}
	return r, nil
}

// Close gives back the control groups, directories and descriptors that the Runner holds. No job may be running.
func (r *Runner) Close() error {
	r.reaper.Close()
	return errors.Join(r.sandbox.close(), r.privates.close())
}

// Protect adds to Config.Protected, for jobs that start from now on: those that run keep what they were given. It takes all of the paths or, with an error
// that wraps [ErrProtected], none, if one of them lies where every command may read since New. Nothing is ever taken off. It is safe for concurrent use.
func (r *Runner) Protect(paths ...string) error {
	if err := r.sandbox.protected.add(paths); err != nil {
		return fmt.Errorf("executor: %w", err)
	}
	return nil
}

// Way returns how children are made.
func (r *Runner) Way() Way { return r.sandbox.way }

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
// while the command runs ends the command, and Result.Status is StatusKilled. The Result has to be closed.
func (r *Runner) Run(ctx context.Context, job Job) (Result, error) {
	started, err := r.Start(ctx, job)
	if err != nil {
		return Result{}, err
	}
	return started.Wait(ctx), nil
}

// Start starts the job, for those who want to follow its output. Errors are those of Run.
func (r *Runner) Start(ctx context.Context, job Job) (*Running, error) {
	if err := job.check(); err != nil {
		return nil, &StartError{Step: StepJob, Err: err}
	}
	holds, err := r.admit(&job)
	if err != nil {
		return nil, err
	}
	return r.launch(ctx, &launching{runner: r, job: &job, holds: holds})
}

// launch is Start for a job that was admitted.
func (r *Runner) launch(ctx context.Context, l *launching) (_ *Running, err error) {
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if err := l.open(); err != nil {
		return nil, err
	}
	p, err := r.start(ctx, l)
	if err != nil {
		return nil, err
	}
	return &Running{p}, nil
}

// start opens the streams and makes the child.
func (r *Runner) start(ctx context.Context, l *launching) (_ *running, err error) {
	p := &running{runner: r, launching: l, wake: -1}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	pipes := pipeMode{otherUser: l.user.switches && l.user.uid != uint32(os.Geteuid())}
	if p.input, err = newFeed(l.job.Stdin, pipes); err != nil {
		return nil, &StartError{Step: StepInput, Err: err}
	}
	for i, name := range []string{"stdout", "stderr"} {
		if p.streams[i], err = newStream(name, r.record(l.job, name), pipes); err != nil {
			return nil, &StartError{Step: StepOutput, Err: err}
		}
	}
	if p.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, &StartError{Step: StepOutput, Err: os.NewSyscallError("eventfd2", err)}
	}
	if ctx.Err() != nil {
		return nil, &StartError{Step: StepStart, Err: fmt.Errorf("%w: %w", ErrCancelledBeforeStart, context.Cause(ctx))}
	}
	p.started = time.Now()
	spec := l.spec(p.input.near, p.streams[0].far, p.streams[1].far)
	p.release, err = r.reaper.Own(func() (int, error) {
		p.child, err = r.sandbox.make(spec)
		return p.child.PID, err
	})
	if err != nil {
		return nil, &StartError{Step: StepStart, Err: explain(l.exe.file.Name(), err)}
	}
	p.input.near.Close()
	for _, s := range p.streams {
		s.closeFar()
	}
	return p, nil
}

// explain says more of the errors of execve that mislead.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, unix.ENOEXEC):
		return fmt.Errorf("%s: %w: %w", path, ErrFormat, err)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%s: the program, or the loader it names, does not exist: %w", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}
