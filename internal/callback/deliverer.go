package callback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultConcurrency = 8
	defaultUserAgent   = "Sidegate"

	// idlePoll is how long Run sleeps at most, so that a changed clock and a
	// delivery added by another process are noticed.
	idlePoll = time.Minute
	// minSleep keeps Run from spinning, whatever the store says is next.
	minSleep = 10 * time.Millisecond
)

// Config says what is delivered and how. Fields without a default are required.
type Config struct {
	Store  Store
	Client *http.Client // should dial through a guard; its redirect rule, cookies and timeout are not used

	// Allowed is asked before every attempt; Allowlist.Allows fits. It is called
	// concurrently.
	Allowed func(Destination) bool

	// Transform says what an attempt sends; nil sends the delivery's body as it is. When it fails, nothing is sent and
	// the attempt has failed. It is called concurrently, within Timeout.
	Transform func(ctx context.Context, d Delivery) (Message, error)

	Timeout  time.Duration // of one attempt, from the transformation to the end of the answer
	Attempts int           // after so many a delivery is dead
	MaxAge   time.Duration // no attempt is made later than this after CreatedAt

	Concurrency int // attempts at once; default 8
	PerReceiver int // attempts at once to the same host and port; default half of Concurrency, at least 1

	Logger    *slog.Logger // default: no log
	UserAgent string       // default "Sidegate"
}

// A Deliverer delivers what is in its store. Make it with New, call Run once,
// and Wake whenever a delivery was added.
type Deliverer struct {
	cfg    Config
	client http.Client
	log    *slog.Logger

	started  atomic.Bool
	wake     chan struct{} // has one place: waking twice is waking once
	attempts sync.WaitGroup
	load     load
	trouble  backoff // of the store
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
		load:   newLoad(cfg.Concurrency, cfg.PerReceiver),
	}
	d.client.Jar = nil
	d.client.Timeout = 0 // each attempt has a deadline
	d.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return d, nil
}

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
	case cfg.Concurrency < 0 || cfg.PerReceiver < 0:
		return cfg, errors.New("callback: concurrency must not be negative")
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = defaultConcurrency
	}
	if cfg.PerReceiver == 0 {
		cfg.PerReceiver = max(1, cfg.Concurrency/2)
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = defaultUserAgent
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg, nil
}

// Wake makes Run look at the store now. It never blocks, and may be called at
// any time, also before Run and after it.
func (d *Deliverer) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
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

// dispatch starts what is due and has room, and returns how long there is
// nothing more to do, unless an attempt ends or Wake is called.
func (d *Deliverer) dispatch(ctx context.Context) time.Duration {
	if !d.load.room() {
		return idlePoll
	}
	now := clock()
	d.load.look()
	// Everything under way is due still, and must not hide the rest.
	limit := 2 * d.cfg.Concurrency
	due, next, err := d.cfg.Store.Due(ctx, now, limit)
	if err != nil {
		return d.storeFailed(ctx, "cannot read the callbacks that are due", err)
	}
	d.trouble.reset()
	blocked := d.start(ctx, now, due)
	if len(due) == limit && len(blocked) > 0 && d.load.room() {
		return d.makeWay(ctx, now, blocked)
	}
	if next.IsZero() {
		return idlePoll
	}
	return min(max(next.Sub(now), minSleep), idlePoll)
}

// start begins an attempt for each delivery that there is room for, and returns
// those whose receiver has none.
func (d *Deliverer) start(ctx context.Context, now time.Time, due []Delivery) (blocked []Delivery) {
	for _, delivery := range due {
		switch d.load.take(delivery.ID, receiver(delivery), now) {
		case taken:
			d.attempts.Go(func() { d.attempt(ctx, delivery) })
		case receiverFull:
			blocked = append(blocked, delivery)
		case underWay, full:
		}
	}
	return blocked
}

// attempt makes one attempt and commits what came of it. Its place is kept until
// then: while nothing can be committed, nothing more is sent than there are
// places.
func (d *Deliverer) attempt(ctx context.Context, delivery Delivery) {
	s, made := d.try(ctx, delivery)
	if made {
		d.report(ctx, delivery, s)
		d.settle(ctx, s)
	}
	d.load.release(delivery.ID, receiver(delivery), clock(), s.State)
	d.Wake()
}

// report logs an outcome, without anything secret.
func (d *Deliverer) report(ctx context.Context, delivery Delivery, s Settlement) {
	level := slog.LevelDebug
	switch s.State {
	case Retry:
		level = slog.LevelWarn
	case Dead:
		level = slog.LevelError
	}
	d.log.LogAttrs(ctx, level, "callback "+string(s.State),
		slog.String("delivery", delivery.ID), slog.String("job", delivery.JobID),
		slog.String("receiver", receiver(delivery)), slog.Int("attempt", s.Attempt),
		slog.Int("status", s.StatusCode), slog.String("error", s.Error))
}

// receiver names who gets a delivery: host and port, which attempts are counted
// by. What is no destination has a name, too: it is about to be given up.
func receiver(delivery Delivery) string {
	dest, err := ParseDestination(delivery.URL)
	if err != nil {
		return ""
	}
	return dest.authority()
}

// clock is the wall clock: the store keeps times for longer than this process
// lives, so the monotonic reading must not take part in comparisons.
func clock() time.Time { return time.Now().UTC().Round(0) }
