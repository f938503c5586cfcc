package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/jobs"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/internal/tracing"
	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/wasm"
)

// Config is what a Gateway is made of. All fields are required unless they say otherwise.
type Config struct {
	Verifier  *auth.Verifier
	Analyzer  *shell.Analyzer
	Policy    *policy.Engine
	Runner    *executor.Runner
	Journal   *journal.Journal
	Audit     *audit.Key // for the digests in the leaves of Journal
	Queue     *jobs.Queue
	Callbacks *callback.Allowlist
	// Plugins transform requests, results and callbacks; nil has none.
	Plugins *wasm.Host
	// CallbackDue is called with the origin of a callback's destination after it was committed, so that its delivery need not wait
	// for the next look.
	CallbackDue func(destination string)
	// RetryCallback makes a delivery due at once that waits or was given up. It answers callback.ErrUnderWay while an attempt is going on, and
	// journal.ErrState once it was delivered.
	RetryCallback func(ctx context.Context, delivery string) error

	Bounds  Bounds
	Limits  Limits
	Host    policy.Host
	Observe *Observation // nil enforces the policy, as it should be

	Metrics Metrics         // the zero value counts nothing
	Tracer  *tracing.Tracer // nil traces nothing

	Watch    func() []Check // what else an operator should know, for readiness reports; nil for nothing
	Profiles bool           // the admin listener serves Go's profiles

	Version     string // shown by GET /
	ReleaseDate string // shown by GET /
	Log         *slog.Logger
}

// Limits bound what callers may send.
type Limits struct {
	Body  int64   // bytes of a request's body
	Rate  float64 // requests per second and client
	Burst int     // requests a client may send at once
	// Calls is how many requests each [Gateway.Handler] serves at once, whoever sent them; 0 leaves it to what bounds connections, which is enough for HTTP/1.1
	// alone.
	Calls int
}

// Gateway admits requests and answers them. Make one with New; it is safe for concurrent use.
type Gateway struct {
	verifier    *auth.Verifier
	policy      *policy.Engine
	judge       judge
	runner      *executor.Runner
	journal     *journal.Journal
	audit       *audit.Key
	queue       *jobs.Queue
	plugins     *wasm.Host
	callbackDue func(destination string)
	retry       func(ctx context.Context, delivery string) error

	bounds   Bounds
	limits   Limits
	metrics  Metrics
	tracer   *tracing.Tracer
	watched  func() []Check
	profiles bool

	version, releaseDate string
	log                  *slog.Logger

	callbackKwargs atomic.Pointer[map[string][]string] // by client

	rates    sync.Map     // client name -> *rate.Limiter; one per configured client
	arriving atomic.Int64 // bytes of bodies that are not there yet, whose senders nobody knows
	lives    sync.Map     // job ID -> *life, of those that have not ended
	eras     eras
	leaving  atomic.Bool // it is about to close, and says so to who asks whether it is ready
	closing  atomic.Bool
	// reloadProblem is why the newest edit of the configuration is not in force; nil when it is.
	reloadProblem atomic.Pointer[string]
	drained       chan struct{}  // closed when nothing runs any more
	unrecorded    sync.WaitGroup // outcomes that wait for the journal
	// The constants of these names, and time.Now, but in tests.
	finishTries         int
	bodyTime, replyTime time.Duration
	now                 func() time.Time
}

// New returns a Gateway that has not served yet.
func New(c Config) (*Gateway, error) {
	switch {
	case c.Verifier == nil, c.Analyzer == nil, c.Policy == nil, c.Runner == nil, c.Journal == nil, c.Audit == nil, c.Queue == nil, c.Callbacks == nil:
		return nil, errors.New("gateway: a part is missing from the configuration")
	case c.CallbackDue == nil, c.RetryCallback == nil, c.Log == nil:
		return nil, errors.New("gateway: CallbackDue, RetryCallback and Log are required")
	case c.Limits.Body <= 0, c.Limits.Rate <= 0, c.Limits.Burst <= 0, c.Limits.Calls < 0:
		return nil, errors.New("gateway: every limit must be above zero")
	}
	if err := c.Bounds.validate(); err != nil {
		return nil, err
	}
	if c.Watch == nil {
		c.Watch = func() []Check { return nil }
	}
	m := c.Metrics.orNothing()
	return &Gateway{
		verifier: c.Verifier, policy: c.Policy, runner: c.Runner, journal: c.Journal, audit: c.Audit, queue: c.Queue, plugins: c.Plugins, callbackDue: c.CallbackDue, retry: c.RetryCallback,
		judge:  judge{analyzer: c.Analyzer, policy: timedDecider{c.Policy, m.Decided}, bounds: c.Bounds, callbacks: c.Callbacks, host: c.Host, available: c.Runner.Check, observe: c.Observe},
		bounds: c.Bounds, limits: c.Limits, metrics: m, tracer: c.Tracer, watched: c.Watch, profiles: c.Profiles,
		version: c.Version, releaseDate: c.ReleaseDate, log: c.Log, drained: make(chan struct{}), finishTries: finishTries, bodyTime: bodyTime, replyTime: replyTime, now: time.Now,
	}, nil
}

// limiter returns the client's own rate limiter.
func (g *Gateway) limiter(client string) *rate.Limiter {
	if l, ok := g.rates.Load(client); ok {
		return l.(*rate.Limiter)
	}
	l, _ := g.rates.LoadOrStore(client, rate.NewLimiter(rate.Limit(g.limits.Rate), g.limits.Burst))
	return l.(*rate.Limiter)
}
