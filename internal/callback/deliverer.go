package callback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultPerDestination = 4
	defaultConcurrency    = 64
	leastDestinations     = 4 // that the default lets be served at once
	userAgent             = "Sidegate"
)

// Config says what is delivered and how. Fields without a default are required.
type Config struct {
	Store  Store
	Client *http.Client // should dial through a guard; its redirect rule, cookies and timeout are not used

	// Allowed is asked before every attempt; Allowlist.Allows fits. It is called
	// concurrently.
	Allowed func(Destination) bool

	// Transform says what an attempt sends; nil sends the delivery's body as it is. When it fails, nothing is sent and
	// the attempt has failed. It is called concurrently, within Timeout, and body is closed after it.
	Transform func(ctx context.Context, d Delivery, body Body) (Message, error)

	// Trace is told that an attempt begins, and says what its traceparent is, "" for none. done is called once it is known what came of the attempt, and with
	// a zero Settlement where nobody knows. nil traces nothing. It is called concurrently.
	Trace func(ctx context.Context, d Delivery) (traceparent string, done func(Settlement))

	// Secrets sign every attempt, each for itself: two while a new one takes the place of an old one, none for no signature.
	// SetSecrets replaces them.
	Secrets [][]byte

	Timeout  time.Duration // of one attempt, from the transformation to the end of the answer
	Attempts int           // after so many a delivery is dead
	MaxAge   time.Duration // no attempt is made later than this after CreatedAt or Since

	PerDestination int // attempts at once to the same scheme, host and port; default 4
	Concurrency    int // attempts at once; default 64, or what four destinations need where that is more

	Logger *slog.Logger // default: no log
}

// A Deliverer delivers what is in its store. Make it with New, call Run once,
// and Wake whenever a delivery was added.
type Deliverer struct {
	cfg    Config
	client http.Client
	log    *slog.Logger

	secrets atomic.Pointer[[][]byte] // Config.Secrets, or what came after

	started  atomic.Bool
	wake     chan struct{} // has one place: waking twice is waking once
	attempts sync.WaitGroup
	lanes    *lanes
	counts   counts
	surveyAt time.Time // when the store is asked again for all destinations; Run's own, as is what follows
	trouble  backoff   // of the store
}

// New checks cfg and returns a Deliverer that does nothing yet.
func New(cfg Config) (*Deliverer, error) {
	cfg, err := withDefaults(cfg)
	if err != nil {
		return nil, err
	}
	d := &Deliverer{
		cfg:    cfg,
		client: *cfg.Client,
		log:    cfg.Logger,
		wake:   make(chan struct{}, 1),
		lanes:  newLanes(cfg.Concurrency, cfg.PerDestination),
	}
	d.SetSecrets(cfg.Secrets)
	d.client.Jar = nil
	d.client.Timeout = 0 // each attempt has a deadline
	d.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return d, nil
}

// SetSecrets has attempts that begin from now on be signed with other secrets, none of which is empty.
func (d *Deliverer) SetSecrets(secrets [][]byte) { d.secrets.Store(&secrets) }

func withDefaults(cfg Config) (Config, error) {
	switch {
	case cfg.Store == nil || cfg.Client == nil || cfg.Allowed == nil:
		return cfg, errors.New("callback: Store, Client and Allowed are required")
	case cfg.Timeout <= 0:
		return cfg, fmt.Errorf("callback: timeout must be positive, it is %v", cfg.Timeout)
	case cfg.MaxAge <= 0:
		return cfg, fmt.Errorf("callback: maximal age must be positive, it is %v", cfg.MaxAge)
	case cfg.Attempts < 1:
		return cfg, fmt.Errorf("callback: attempts must be at least 1, they are %d", cfg.Attempts)
	case cfg.Concurrency < 0 || cfg.PerDestination < 0:
		return cfg, errors.New("callback: concurrency must not be negative")
	case slices.ContainsFunc(cfg.Secrets, func(s []byte) bool { return len(s) == 0 }):
		return cfg, errors.New("callback: a secret is empty")
	}
	if cfg.PerDestination == 0 {
		cfg.PerDestination = defaultPerDestination
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = max(defaultConcurrency, leastDestinations*cfg.PerDestination)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg, nil
}

// Wake tells that a delivery to a destination was added to the store, as
// Destination.Origin names it, and makes Run look at once. It never blocks, and
// may be called at any time, also before Run and after it.
func (d *Deliverer) Wake(destination string) {
	d.lanes.noted(destination, clock())
	d.nudge()
}

func (d *Deliverer) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// ErrUnderWay says that a delivery is being attempted at this moment.
var ErrUnderWay = errors.New("callback: the delivery is being attempted right now")

// Retry makes a delivery due now, with its attempts and its time anew, whether it
// waits or is dead. It answers ErrUnderWay when an attempt is going on, whose
// outcome is to be awaited first, and otherwise what the store says.
func (d *Deliverer) Retry(ctx context.Context, id string) error {
	if !d.lanes.hold(id) {
		return ErrUnderWay
	}
	destination, err := d.cfg.Store.Retry(ctx, id, clock())
	d.lanes.letGo(id)
	if err != nil {
		return err
	}
	d.lanes.resume(destination)
	d.Wake(destination)
	return nil
}

// Run delivers until ctx ends. Attempts under way are then cancelled, and count
// as not made unless they had an answer; what they came to is still committed.
// Run returns nil when the last one has ended, which takes 10 s at most if the
// store hangs; then the store may be closed. It returns an error only when it is
// called twice.
func (d *Deliverer) Run(ctx context.Context) error {
	if !d.started.CompareAndSwap(false, true) {
		return errors.New("callback: Run was called twice")
	}
	defer d.attempts.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
		case <-timer.C:
		}
		timer.Reset(d.dispatch(ctx))
	}
}

// clock is the wall clock: the store keeps times for longer than this process
// lives, so the monotonic reading must not take part in comparisons.
func clock() time.Time { return time.Now().UTC().Round(0) }
