package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/egress"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/metrics"
	"github.com/sidegate/sidegate/internal/systemd"
	"github.com/sidegate/sidegate/internal/tracing"
	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/wasm"
)

// spareConnections are those that a listener takes beside callers who wait for a running or a queued job.
const spareConnections = 256

// Build says which Sidegate this is.
type Build struct{ Version, ReleaseDate string }

// Daemon is a gateway that listens. Make one with New, then call Serve once.
type Daemon struct {
	log          *slog.Logger
	journal      *journal.Journal
	verifier     *auth.Verifier
	policy       *policy.Engine
	plugins      *wasm.Host
	gateway      *gateway.Gateway
	delivery     *callback.Deliverer
	auditKey     *audit.Key
	metrics      *metrics.Metrics
	tracer       *tracing.Tracer // nil traces nothing
	watched      watched
	maker        *audit.Maker
	signing      atomic.Pointer[audit.Maker] // maker, once it is there: the journal asks for it from the start
	recorded     atomic.Pointer[time.Time]   // when the policy was activated that the audit knows of
	policyFailed time.Time                   // when the failure to load one was that was counted last

	keep   config.Retention // which no reload changes
	graces config.Drain     // the same

	reloading    sync.Mutex     // held by the one reload that is going on; guards what follows
	config       *config.Config // what is in force
	reloadFailed bool           // the newest reload did
	ended        bool           // what there was to reload is closed
	retryEvery   time.Duration  // the constant of that name, but in tests

	securing  securing
	most      int                     // connections of each listener
	inherited map[string]net.Listener // by address of the configuration, until they are taken
	doors     []*door                 // what is listened on, that of the admin last
	closers   []func() error          // in the order of opening

	supervisor *systemd.Supervisor // nil where there is none
	hurry      chan struct{}       // closed when the end must not wait any more
	hurryOnce  sync.Once
}

// New builds every part, brings the journal of an earlier process in order, and opens the listeners. The daemon keeps
// what it opened until Serve returns. On an error everything is closed again; [ErrStopped] says that it was ctx that ended.
func New(ctx context.Context, c *config.Config, build Build, log *slog.Logger, options ...Option) (_ *Daemon, err error) {
	if err := startProblems(c); err != nil {
		return nil, err
	}
	_ = spareHeap() // which keeps it
	d := &Daemon{
		log: log, config: c, keep: c.Retention, graces: c.Drain, retryEvery: retryEvery, most: 2*(c.Executor.Concurrency+c.Executor.Queue) + spareConnections,
		hurry: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			err = startError(ctx, err, d.abandon())
		}
	}()
	for _, option := range options {
		if err := option(d); err != nil {
			return nil, err
		}
	}
	if err := d.openJournal(ctx, c); err != nil {
		return nil, err
	}
	if d.metrics, err = d.newMetrics(c, build, log); err != nil {
		return nil, err
	}
	d.metrics.ConfigurationRead()
	if err := d.openTracing(c, build); err != nil {
		return nil, err
	}
	if err := d.openAudit(c); err != nil {
		return nil, err
	}
	if err := d.startPolicy(ctx, c); err != nil {
		return nil, err
	}
	parts, err := d.parts(c)
	if err != nil {
		return nil, err
	}
	if err := d.startPlugins(ctx, c, &parts); err != nil {
		return nil, err
	}
	if err := d.startCallbacks(c, &parts); err != nil {
		return nil, err
	}
	if parts.Observe, err = d.observation(c); err != nil {
		return nil, err
	}
	parts.Version, parts.ReleaseDate = build.Version, build.ReleaseDate
	parts.Metrics, d.watched = counting(d.metrics), watched{parts.Queue, parts.Runner}
	parts.Tracer, parts.Watch, parts.Profiles = d.tracer, d.watch, c.Telemetry.Pprof
	if d.gateway, err = gateway.New(parts); err != nil {
		return nil, err
	}
	d.gateway.SetCallbackKwargs(kwargsOf(c))
	for _, note := range CommandNotes(c, parts.Runner.Report()) {
		d.log.Warn(note)
	}
	if err := d.proven(c); err != nil {
		return nil, err
	}
	// First the addresses, then the jobs of an earlier process: what cannot listen must not start commands either.
	if err := d.listen(ctx, c); err != nil {
		return nil, err
	}
	if err := d.startCheckpoints(ctx, c); err != nil {
		return nil, err
	}
	d.record(ctx, audit.Leaf{Type: audit.Recovered, Version: build.Version, Activated: d.pluginsInForce()})
	if err := d.gateway.Recover(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// startProblems says all at once what keeps this configuration from starting on this host.
func startProblems(c *config.Config) error {
	var problems []error
	CheckStart(c, func(key string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %s: %w", c.Position(key), key, err))
		}
	})
	return errors.Join(problems...)
}

// abandon ends a daemon that could not start: commands of an earlier process that it had begun are killed and recorded.
func (d *Daemon) abandon() error {
	if d.gateway != nil {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = d.gateway.Drain(now) // its error only says that it did not wait
	}
	return d.close()
}

// openJournal opens the journal and restores what it knows of used nonces.
func (d *Daemon) openJournal(ctx context.Context, c *config.Config) error {
	var err error
	if d.journal, err = journal.Open(ctx, journal.Config{Dir: c.StateDir, Logger: d.log, LowWater: lowWater(c), Appended: d.appended}); err != nil {
		return err
	}
	d.closers = append(d.closers, d.journal.Close)
	floor, used, err := d.journal.Nonces(ctx)
	if err != nil {
		return err
	}
	nonces := make([]auth.Nonce, len(used))
	for i, n := range used {
		nonces[i] = auth.Nonce(n)
	}
	d.verifier, err = auth.New(auth.Config{
		Clients: clientsOf(c), Skew: c.Limits.Skew, Floor: floor, Used: nonces, Authorities: c.Authorities, Names: namesOf(c),
	})
	return err
}

func (d *Daemon) startPolicy(ctx context.Context, c *config.Config) error {
	guard, err := egress.New(egress.Config{}) // callers have no say in where OPA's services are
	if err != nil {
		return err
	}
	engine, err := policy.New(ctx, policy.Config{
		Paths: c.Policy.Paths, OPA: c.Policy.OPA, StateDir: c.StateDir, DialContext: guard.DialContext,
		AllowRollback: c.Policy.AllowRollback, AllowBuiltins: c.Policy.AllowBuiltins, Logger: d.log, OnChange: d.policyChanged,
	})
	if err != nil {
		key, option := "policy", new(policy.OptionError)
		if errors.As(err, &option) {
			key = "policy.opa." + option.Key
		}
		return fmt.Errorf("%s: %w", c.Position(key), err)
	}
	d.policy = engine
	d.closers = append(d.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		engine.Close(ctx)
		return nil
	})
	return nil
}

// listen opens the listeners of callers and of health checks. TLS is for those that are on a network.
func (d *Daemon) listen(ctx context.Context, c *config.Config) error {
	secure, err := readSecure(c.TLS)
	if err != nil {
		return err
	}
	d.securing.now.Store(secure)
	for _, address := range c.Listen {
		server := newServer(d.securing.guard(d.gateway.Handler()), d.log)
		if !onSocket(address) {
			server.TLSConfig = d.securing.config()
		}
		server.ConnContext = d.securing.connContext(server.ConnContext)
		if err := d.open(ctx, c, address, server, false); err != nil {
			return err
		}
	}
	if c.AdminListen != "" {
		return d.open(ctx, c, c.AdminListen, newServer(d.gateway.AdminHandler(), d.log), true)
	}
	return nil
}

func (d *Daemon) open(ctx context.Context, c *config.Config, address string, server *http.Server, admin bool) error {
	passed := d.inherited[address] != nil
	l, err := d.listenAt(ctx, c, address)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	at := newDoor(l, server, admin, d.most)
	at.passed = passed
	d.doors = append(d.doors, at)
	return nil
}

// addresses lists where this gateway itself listens: no callback may go there.
func (d *Daemon) addresses() []net.Addr {
	list := make([]net.Addr, len(d.doors))
	for i, at := range d.doors {
		list[i] = at.Addr()
	}
	return list
}

// close closes everything that New opened, in reverse order.
func (d *Daemon) close() error {
	var errs []error
	for _, l := range d.inherited { // those that were not taken
		errs = append(errs, l.Close())
	}
	for _, at := range d.doors {
		if err := at.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for i := len(d.closers) - 1; i >= 0; i-- {
		errs = append(errs, d.closers[i]())
	}
	d.closers = nil
	return errors.Join(errs...)
}
