package wasm

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// What [Config] leaves open.
const (
	DefaultBreakAfter = 5
	DefaultCoolDown   = 5 * time.Second
	DefaultPatience   = 30 * time.Second
)

var (
	// ErrNotLoaded means that no set has been loaded yet. What does not know its plugins runs nothing.
	ErrNotLoaded = errors.New("wasm: no plugins have been loaded")
	// ErrClosed means that the Host, or the Selected, has been closed.
	ErrClosed = errors.New("wasm: closed")
)

// Config configures a [Host].
type Config struct {
	// CacheDir keeps compiled modules, which are native code: it is created with mode 0700. "" compiles
	// each time.
	CacheDir string

	// Fetch does one HTTP exchange for a plugin. It follows no redirects and goes through the egress
	// guard; the request's context ends with the call. Nil: nothing is fetched.
	Fetch func(*http.Request) (*http.Response, error)

	// Allows reads the patterns of Plugin.Fetch, and returns what says whether a URL is among them. Nil:
	// no plugin may have any.
	Allows func(patterns []string) (func(url string) error, error)

	// Called is told how long each call of a plugin took that was made or waited for, failed or not, but for those that decide nothing. It must not
	// block. Nil: nobody is told.
	Called func(plugin string, phase Phase, took time.Duration)

	// Log gets loads, failures and what plugins log. Nil means slog.Default.
	Log *slog.Logger

	// Now is the clock of the breaker. Nil means time.Now.
	Now func() time.Time

	// BreakAfter failures in a row of a plugin, for one client in one phase, its calls for that client
	// and phase fail at once for CoolDown; then one call is tried. In the response phase they are still
	// made. Zero means the default.
	BreakAfter int
	CoolDown   time.Duration

	// Patience is how long a call of the response and the callback phase waits for its turn, which comes after work that would
	// be lost; if the plugin's calls may take longer than half of that, twice their deadline. In the request phase it is always
	// twice the deadline: a caller waits, who can come again. Zero means the default.
	Patience time.Duration
}

// Host holds the plugins. It is safe for concurrent use.
type Host struct {
	cacheDir   string
	fetch      func(*http.Request) (*http.Response, error)
	allows     func(patterns []string) (func(url string) error, error)
	log        *slog.Logger
	called     func(plugin string, phase Phase, took time.Duration)
	now        func() time.Time
	breakAfter int
	coolDown   time.Duration
	patience   time.Duration
	open       func(ctx context.Context, p *Plugin, binary []byte) (module, error) // openGuest, but in tests

	// current is nil until the first Load, and after Close.
	current atomic.Pointer[generation]

	loading  chan struct{} // holds a token while a set is being loaded, or is prepared
	number   uint64        // of the last generation; guarded by loading
	closed   atomic.Bool
	draining sync.WaitGroup // generations that are not closed yet
	sharing  sync.Mutex     // guards loaded.holders
}

// New returns a Host without plugins. Until [Host.Load] has succeeded, every message fails.
func New(c Config) (*Host, error) {
	if c.BreakAfter < 0 || c.CoolDown < 0 || c.Patience < 0 {
		return nil, errors.New("wasm: BreakAfter, CoolDown and Patience must not be negative")
	}
	if (c.Fetch == nil) != (c.Allows == nil) {
		return nil, errors.New("wasm: Fetch and Allows go together")
	}
	h := &Host{
		cacheDir:   c.CacheDir,
		fetch:      c.Fetch,
		allows:     c.Allows,
		log:        c.Log,
		called:     c.Called,
		now:        c.Now,
		breakAfter: cmp.Or(c.BreakAfter, DefaultBreakAfter),
		coolDown:   cmp.Or(c.CoolDown, DefaultCoolDown),
		patience:   cmp.Or(c.Patience, DefaultPatience),
		loading:    make(chan struct{}, 1),
	}
	h.open = h.openGuest
	if h.log == nil {
		h.log = slog.Default()
	}
	if h.now == nil {
		h.now = time.Now
	}
	return h, nil
}

// Close takes the plugins out of service and returns when the last message that uses one has ended, and
// a Load that is going on, or with the error of ctx. Messages that come later fail, and what is loaded
// meanwhile does not come into service.
func (h *Host) Close(ctx context.Context) error {
	h.closed.Store(true)
	h.retire(h.current.Swap(nil))
	if err := h.lock(ctx); err != nil {
		return err
	}
	h.unlock() // nothing is loaded from now on
	done := make(chan struct{})
	go func() {
		h.draining.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lock waits until no set is being loaded, or returns the error of ctx.
func (h *Host) lock(ctx context.Context) error {
	select {
	case h.loading <- struct{}{}:
		return nil
	default:
	}
	select {
	case h.loading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Host) unlock() { <-h.loading }

// retire releases a generation that is no longer current, if there is one.
func (h *Host) retire(g *generation) {
	if g != nil {
		g.release()
	}
}
