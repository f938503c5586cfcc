package gateway

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
)

// eras counts what was in force: even while nothing changes, odd while the parts of a configuration (clients, plugins, policies) are exchanged. A request
// notes the era before it looks at the first of them and compares after it has looked at the last: what it saw of two eras it looks at again, so that no
// request is judged by half of a configuration. Nobody holds a lock while a plugin or a policy works.
type eras struct {
	count atomic.Uint64
	mu    sync.Mutex // held while the parts are exchanged
}

// change exchanges the parts. It waits for no request.
func (e *eras) change(exchange func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count.Add(1)
	defer e.count.Add(1)
	exchange()
}

// now returns the era, and waits out a change, which is a few assignments long.
func (e *eras) now() uint64 {
	if n := e.count.Load(); n%2 == 0 {
		return n
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count.Load()
}

// is tells whether nothing has changed since an era was noted.
func (e *eras) is(noted uint64) bool { return e.count.Load() == noted }

// Exchange calls exchange, which brings clients, plugins and policies into force that belong together, so that every request is judged by those before or
// by those after it. exchange must be quick. Exchanges do not overlap.
func (g *Gateway) Exchange(exchange func()) { g.eras.change(exchange) }

// mostEras bounds how often one request is judged because the configuration changed meanwhile.
const mostEras = 8

// withinOneEra has judge look at a call, again if the configuration changed meanwhile, and then for the caller as the new one knows him. judge leaves nothing
// behind that matters when it is called again.
func (g *Gateway) withinOneEra(call *verified, judge func() error) error {
	for range mostEras {
		err := judge()
		if g.eras.is(call.era) {
			return err
		}
		call.era = g.eras.now()
		var gone error
		if call.principal, gone = call.again(); gone != nil {
			return &Error{Code: BadSignature, Message: "the gateway's configuration has just changed, and the caller is not in it any more", Cause: gone}
		}
	}
	return &Error{Code: PolicyNotLoaded, Message: "the gateway's configuration changes too often for this call to be decided; try again", RetryAfter: time.Second}
}

// asToday returns the client of a job as it is configured today, whether that is as it was when the job was admitted, and whether it is configured at all.
func (g *Gateway) asToday(then auth.Principal) (today auth.Principal, same, known bool) {
	today, known = g.verifier.Principal(then.Client)
	today.KeyID = then.KeyID
	return today, known && sameGrounds(today, then), known
}

// sameGrounds tells whether policies and selectors see two principals as one.
func sameGrounds(a, b auth.Principal) bool {
	return a.Scheme == b.Scheme && slices.Equal(a.Roles, b.Roles) && maps.Equal(a.Labels, b.Labels)
}
