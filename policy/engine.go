package policy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/logging"
	"github.com/open-policy-agent/opa/v1/plugins"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// DefaultDeadline bounds one decision when [Config] does not.
const DefaultDeadline = time.Second

// ErrNotLoaded means that no policy has been loaded yet, or that the engine is
// closed. [Engine.Status] says why.
var ErrNotLoaded = errors.New("no policy is loaded")

// Config configures an [Engine].
type Config struct {
	// Paths are directories and bundle files (.tar.gz); at least one. All
	// directories are merged into one policy, as `opa run a b` merges them.
	Paths []string

	// Deadline bounds the evaluation of one decision. Zero means
	// DefaultDeadline.
	Deadline time.Duration

	// AllowBuiltins names builtins to hand to policies although
	// [Capabilities] withholds them.
	AllowBuiltins []string

	// Logger gets what happens to policies and, at debug level, what they
	// print. Nil means slog.Default.
	Logger *slog.Logger

	// OnChange, if not nil, is called after each attempt to load that changed
	// the status. Calls do not overlap. It must not call Reload or Close.
	OnChange func(Status)
}

// Status says which policy decides, and what became of the last attempt to
// load another.
type Status struct {
	Ready       bool // a policy is loaded; Decide answers
	Revision    string
	ActivatedAt time.Time

	// LastError is why the last attempt failed, nil when it did not. The
	// policy named by Revision goes on deciding.
	LastError   error
	LastErrorAt time.Time
}

// Engine decides by the policies it has loaded, and reloads them when they
// change. It is safe for concurrent use.
type Engine struct {
	paths    []string
	deadline time.Duration
	log      *slog.Logger
	onChange func(Status)
	activate activator

	store storage.Store
	opa   *plugins.Manager

	// current is written under the store's write lock and loaded inside a
	// read transaction, so that the rules and the data of one decision belong
	// to one revision. Nil: nothing is loaded.
	current atomic.Pointer[prepared]

	loading sync.Mutex // held by the one load that is going on
	loaded  [sha256.Size]byte
	closed  bool

	mu     sync.Mutex
	status Status

	stop    context.CancelFunc
	stopped chan struct{}
}

// New loads the policies and watches them until Close. Policies that cannot be
// loaded are not an error: the engine returned is not ready, Status says why,
// and it becomes ready when they are mended. An error means that the
// configuration is unusable, or that the files cannot be watched.
func New(ctx context.Context, config Config) (*Engine, error) {
	e, err := newEngine(config)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if err := e.start(ctx); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return e, nil
}

func newEngine(config Config) (*Engine, error) {
	if len(config.Paths) == 0 {
		return nil, errors.New("no paths are configured")
	}
	if config.Deadline < 0 {
		return nil, errors.New("the deadline is negative")
	}
	capabilities, err := Capabilities(config.AllowBuiltins...)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		deadline: cmp.Or(config.Deadline, DefaultDeadline),
		log:      cmp.Or(config.Logger, slog.Default()),
		onChange: config.OnChange,
		activate: activator{capabilities},
		stopped:  make(chan struct{}),
		// Data is read far more often than it is written: keep it in the form
		// that evaluation wants.
		store: inmem.NewWithOpts(inmem.OptReturnASTValuesOnRead(true), inmem.OptRoundTripOnWrite(false)),
	}
	for _, path := range config.Paths {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		e.paths = append(e.paths, absolute)
	}
	e.opa, err = plugins.New([]byte("{}"), "sidegate", e.store,
		plugins.WithParserOptions(parserOptions()),
		plugins.EnablePrintStatements(e.printing()),
		plugins.PrintHook(printHook{e.log}),
		plugins.Logger(logging.NewLoggerFromSlogHandler(e.log.Handler(), logging.Info)),
	)
	return e, err
}

func (e *Engine) start(ctx context.Context) error {
	// Closing must not depend on ctx, which may end while a decision is made.
	stop := func() { e.opa.Stop(context.WithoutCancel(ctx)) }
	if err := e.opa.Start(ctx); err != nil {
		stop()
		return err
	}
	e.opa.RegisterCompilerTrigger(e.publish)
	w, err := newWatch(e.paths)
	if err != nil {
		stop()
		return err
	}
	// Reading comes after watching, so that no edit falls in between. What
	// Reload finds wrong is in the status.
	w.sync(e.log)
	_ = e.Reload(ctx)
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = cancel
	go func() {
		defer close(e.stopped)
		w.run(watching, e)
	}()
	return nil
}

// Close stops watching and unloads the policy; Decide then returns
// ErrNotLoaded. Closing twice is harmless.
func (e *Engine) Close(ctx context.Context) {
	e.stop()
	<-e.stopped
	e.loading.Lock()
	defer e.loading.Unlock()
	if e.closed {
		return
	}
	e.closed = true
	e.opa.Stop(ctx)
	e.current.Store(nil)
	e.setStatus(func(s *Status) { *s = Status{} })
}

// Status returns the present state.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status
}

func (e *Engine) setStatus(change func(*Status)) Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.status)
	return e.status
}

func (e *Engine) printing() bool { return e.log.Enabled(context.Background(), slog.LevelDebug) }
