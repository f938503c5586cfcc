package policy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
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
	// Paths are directories and bundle files (.tar.gz); at least one unless
	// OPA names remote bundles. All directories are merged into one policy, as
	// `opa run a b` merges them.
	Paths []string

	// OPA is OPA's own configuration: services, keys, bundles, decision_logs,
	// status and persistence_directory, as its documentation describes them.
	// What is not supported is an *OptionError.
	OPA map[string]any

	// StateDir is the directory below which remote bundles and their newest
	// revisions are kept. It is needed for remote bundles only.
	StateDir string

	// AllowRollback names remote bundles that may go back to older revisions.
	AllowRollback []string

	// DialContext opens every connection to OPA's services. Nil means that
	// they may be anywhere.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// Deadline bounds the evaluation of one decision. Zero means
	// DefaultDeadline.
	Deadline time.Duration

	// AnyOwner takes policies in Paths that somebody else than root and the
	// user of this process could change; without it they are refused with
	// ErrExposed. It is for tools that run nothing.
	AnyOwner bool

	// AllowBuiltins names builtins to hand to policies although
	// [Capabilities] withholds them.
	AllowBuiltins []string

	// NoteCalls has every Decision say which builtins it called whose result may be
	// another one the next time. It is for tools that ask again later.
	NoteCalls bool

	// CacheBytes is how much memory decisions may take that are kept to be given
	// again to identical requests. 0 means DefaultCacheBytes, a negative number
	// that none are kept. Those of a policy that may answer an identical request
	// in another way never are: see CacheStatus.Why.
	CacheBytes int64

	// Logger gets what happens to policies and, at debug level, what they
	// print. Nil means slog.Default.
	Logger *slog.Logger

	// OnChange, if not nil, is called after each attempt to load that changed
	// the status. Calls do not overlap. It must not call Reload or Close.
	OnChange func(Status)
}

// Engine decides by the policies it has loaded, and reloads them when they
// change. It is safe for concurrent use.
type Engine struct {
	paths    []string
	anyOwner bool
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

	noteCalls  bool  // see Config.NoteCalls
	cacheBytes int64 // not above 0: nothing is cached
	cached     cacheCounts

	feeds   feeds
	outlets []*outlet
	journal *decisionLog // nil: decisions are not logged

	loading   sync.Mutex           // held by the one load that is going on; guards what follows
	loaded    [sha256.Size]byte    // what Config.Paths held when it was activated
	waiting   map[string]candidate // until the first policy is complete, what there is of it
	next      *prepared            // being committed
	alongside func()               // what changes with it; nil for nothing
	floors    *floors              // nil without remote bundles
	errors    map[string]error     // by source, of the last attempt
	told      map[string]string    // by source, the failure that was logged last

	closed atomic.Bool

	mu     sync.Mutex
	status Status

	life    context.Context // of connections to OPA's services
	endLife context.CancelFunc
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
	options, err := readOptions(config.OPA, config.StateDir)
	if err != nil {
		return nil, err
	}
	if len(config.Paths) == 0 && len(options.bundles) == 0 {
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
		anyOwner:   config.AnyOwner,
		deadline:   cmp.Or(config.Deadline, DefaultDeadline),
		noteCalls:  config.NoteCalls,
		cacheBytes: cmp.Or(config.CacheBytes, DefaultCacheBytes),
		log:        cmp.Or(config.Logger, slog.Default()),
		onChange:   config.OnChange,
		activate:   activator{capabilities},
		stopped:    make(chan struct{}),
		waiting:    make(map[string]candidate),
		errors:     make(map[string]error),
		told:       make(map[string]string),
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
	logger := logging.NewLoggerFromSlogHandler(e.log.Handler(), logging.Info)
	e.opa, err = plugins.New(options.raw, "sidegate", e.store,
		plugins.WithParserOptions(parserOptions()),
		plugins.EnablePrintStatements(e.printing()),
		plugins.PrintHook(printHook{e.log}),
		plugins.Logger(logger),
		plugins.ConsoleLogger(logger),
	)
	if err != nil {
		return nil, err
	}
	e.life, e.endLife = context.WithCancel(context.Background())
	if err := e.register(options, config); err != nil {
		e.abandon()
		return nil, err
	}
	return e, nil
}

// register adds OPA's plugins in the order in which they have to stop: the
// bundles first, the decision log before the status that it reports to, and
// what all of them speak through last.
func (e *Engine) register(o *opaOptions, config Config) error {
	if err := e.openFeeds(o, config.AllowRollback); err != nil {
		return err
	}
	if len(e.feeds) > 0 {
		e.opa.Register("bundles", e.feeds)
	}
	e.journal = openDecisionLog(e.opa, o, e.deadline)
	for name, raw := range o.services {
		auth, err := authOf(raw)
		if err != nil {
			return &OptionError{"services." + name, err.Error()}
		}
		out := &outlet{auth: auth, dial: config.DialContext, life: e.life}
		for _, source := range o.bundles {
			if source.Service == name {
				out.limit = max(out.limit, source.SizeLimitBytes)
			}
		}
		e.outlets = append(e.outlets, out)
		e.opa.Register(outletName(name), out)
	}
	return nil
}

// abandon ends what newEngine began.
func (e *Engine) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	e.shut(ctx)
}

func (e *Engine) start(ctx context.Context) error {
	if err := e.opa.Init(ctx); err != nil {
		e.abandon()
		return err
	}
	e.opa.RegisterCompilerTrigger(e.publish)
	if err := e.watchData(ctx); err != nil {
		e.abandon()
		return err
	}
	w, err := newWatch(e.paths)
	if err != nil {
		e.abandon()
		return err
	}
	// Reading comes after watching, so that no edit falls in between. What
	// Reload and restoreAll find wrong is in the status.
	w.sync(e.log)
	_ = e.Reload(ctx)
	e.loading.Lock()
	e.restoreAll(ctx)
	e.loading.Unlock()
	if err := e.opa.Start(ctx); err != nil {
		e.abandon()
		return errors.Join(err, w.Close())
	}
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = cancel
	go func() {
		defer close(e.stopped)
		w.run(watching, e)
	}()
	return nil
}

// watchData has decisions forgotten when data changes. Today nothing changes
// data but what activates a policy, which has a cache of its own; but a cache
// must not depend on that.
func (e *Engine) watchData(ctx context.Context) error {
	return storage.Txn(ctx, e.store, storage.WriteParams, func(txn storage.Transaction) error {
		_, err := e.store.Register(ctx, txn, storage.TriggerConfig{OnCommit: func(context.Context, storage.Transaction, storage.TriggerEvent) {
			if policy := e.current.Load(); policy != nil {
				policy.cache.drop()
			}
		}})
		return err
	})
}

// lastWords is how long Close takes to send decisions that are not sent yet,
// when its context sets no earlier end.
const lastWords = 5 * time.Second

// Close stops watching and polling, sends the decisions that are still to be
// sent, and unloads the policy; Decide then returns ErrNotLoaded. The end of
// ctx cuts it short; without a deadline it takes at most a few seconds. A load
// that takes longer than that is left to itself, and activates nothing any
// more. Closing twice is harmless.
func (e *Engine) Close(ctx context.Context) {
	if e.closed.Swap(true) {
		return
	}
	e.current.Store(nil)
	e.stop()
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-e.stopped
		e.shut(ctx)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		select {
		case <-done: // the end of ctx ends shut, if nothing is loading
		case <-time.After(time.Second):
			e.log.Warn("a policy that is still being loaded is abandoned")
		}
	}
	e.mu.Lock()
	e.status = Status{}
	e.mu.Unlock()
}

// shut stops OPA's plugins. The caller must not hold the loading lock, for
// which a downloader may be waiting.
func (e *Engine) shut(ctx context.Context) {
	defer context.AfterFunc(ctx, e.endLife)()
	e.opa.Stop(ctx)
	e.endLife()
	for _, out := range e.outlets {
		out.closeIdle()
	}
}

func (e *Engine) printing() bool { return e.log.Enabled(context.Background(), slog.LevelDebug) }
