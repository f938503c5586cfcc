package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// attend watches whether the caller of an event stream is still there, until the function that it returns is called, which the handler must not return
// before: nothing may be sent after it. The context ends when the caller has left, also one that takes no event for replyTime. It does not end, as that
// of the request does, when a caller has sent all that it wants to send and goes on reading.
//
// If the job is one that may have to end with its caller, it does so as its decision says.
func (g *Gateway) attend(w http.ResponseWriter, r *http.Request, events *eventStream, l *life) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	caller := g.watch(w, r, l)
	caller.sound = func() { _ = events.quiet() } // the head of the reply is gone, so there is no interim response any more
	var watching sync.WaitGroup
	watching.Go(func() {
		defer caller.end()
		if caller.stay(ctx, events) {
			return
		}
		if l != nil && !l.hasEnded() && l.endsWithCaller() {
			g.abandoned(l)
		}
		cancel()
	})
	return ctx, func() {
		cancel()
		watching.Wait()
	}
}

// stay returns true when ctx ends, and false when the caller has left.
func (v *vigil) stay(ctx context.Context, events *eventStream) bool {
	alive := time.NewTicker(stillThere)
	defer alive.Stop()
	for {
		select {
		case <-ctx.Done():
			return true
		case <-events.failed:
			return false
		case <-alive.C:
			_ = events.quiet()
		case <-v.due:
			if v.left() {
				return false
			}
			v.again()
		}
	}
}
