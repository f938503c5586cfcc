package gateway

import "context"

// Leave has readiness reports say that the gateway stops. Until Drain, work is taken all the same.
func (g *Gateway) Leave() { g.leaving.Store(true) }

// Refuse stops admitting, as Drain does.
func (g *Gateway) Refuse() { g.closing.Store(true) }

// Drain stops admitting and waits for what runs. When ctx ends first, what still runs is killed and recorded as killed.
// What waits stays in the journal for the next start. It is called once.
func (g *Gateway) Drain(ctx context.Context) error {
	g.Refuse()
	err := g.queue.Drain(ctx)
	close(g.drained)
	g.unrecorded.Wait()
	return err
}
