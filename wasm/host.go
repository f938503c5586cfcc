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

	// Log gets loads, failures and what plugins log. Nil means slog.Default.
	Log *slog.Logger

	// Now is the clock of the breaker. Nil means time.Now.
	Now func() time.Time

	// BreakAfter failures in a row of a plugin, for one client in one phase, its calls for that client
	// and phase fail at once for CoolDown; then one call is tried. In the response phase they are still
	// made. Zero means the default.
	BreakAfter int
	CoolDown   time.Duration
}

// Host holds the plugins. It is safe for concurrent use.
type Host struct {
	cacheDir   string
	fetch      func(*http.Request) (*http.Response, error)
	allows     func(patterns []string) (func(url string) error, error)
	log        *slog.Logger
	now        func() time.Time
	breakAfter int
	coolDown   time.Duration
	open       func(ctx context.Context, p *Plugin, binary []byte) (module, error) // openGuest, but in tests

	// current is nil until the first Load, and after Close.
	current atomic.Pointer[generation]

	loading  sync.Mutex // held by the one Load or Close that is going on
	number   uint64     // of the last generation; guarded by loading
	closed   atomic.Bool
	draining sync.WaitGroup // generations that are not closed yet
	sharing  sync.Mutex     // guards loaded.holders
}

// New returns a Host without plugins. Until [Host.Load] has succeeded, every message fails.
func New(c Config) (*Host, error) {
	if c.BreakAfter < 0 || c.CoolDown < 0 {
		return nil, errors.New("wasm: BreakAfter and CoolDown must not be negative")
	}
	if (c.Fetch == nil) != (c.Allows == nil) {
		return nil, errors.New("wasm: Fetch and Allows go together")
	}
	h := &Host{
		cacheDir:   c.CacheDir,
		fetch:      c.Fetch,
		allows:     c.Allows,
		log:        c.Log,
		now:        c.Now,
		breakAfter: cmp.Or(c.BreakAfter, DefaultBreakAfter),
		coolDown:   cmp.Or(c.CoolDown, DefaultCoolDown),
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

// Close takes the plugins out of service and returns when the last message that uses one has ended, or
// with the error of ctx. Messages that come later fail.
func (h *Host) Close(ctx context.Context) error {
	h.loading.Lock()
	h.closed.Store(true)
	old := h.current.Swap(nil)
	h.loading.Unlock()
	if old != nil {
		old.release()
	}
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
