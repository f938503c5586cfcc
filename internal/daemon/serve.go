package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/journal"
)

const (
	// drainGrace is what running commands get to end by themselves when the gateway is told to stop; what still runs then
	// is killed and recorded as killed.
	drainGrace = 20 * time.Second
	// farewell is what callers get to take the last replies.
	farewell = 5 * time.Second
	// tidyEvery is how often expired nonces and old jobs are removed.
	tidyEvery = time.Minute
)

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ConnContext:       auth.ConnContext,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		// No ReadTimeout and no WriteTimeout: they would cut a long job. The gateway bounds the body and the reply.
	}
}

// ErrStopped means that a gateway was told to stop while it started, and has closed all that it had opened. That is an orderly
// end: whoever stops a service must not find it failed, however early he was.
var ErrStopped = errors.New("stopped before it served")

// startError is the error of a start that failed with err, after what was open has been closed.
func startError(ctx context.Context, err, closing error) error {
	if closing == nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", ErrStopped, err)
	}
	return errors.Join(err, closing)
}

// Serve serves until ctx ends, then drains: no new work, a grace for what runs, the last replies, and the journal is
// closed. It returns nil after an orderly end.
func (d *Daemon) Serve(ctx context.Context) error {
	background, stop := context.WithCancel(context.Background())
	watching, stopWatching := context.WithCancel(ctx) // what is reloaded when the end has come is for nobody
	keep := d.config.Retention                        // a reload replaces the configuration
	var work errgroup.Group
	work.Go(func() error { return d.delivery.Run(background) })
	work.Go(func() error { d.tidy(background, keep); return nil })
	work.Go(func() error { return d.maker.Run(background) })
	work.Go(func() error { d.watchFiles(watching); return nil })

	broken := make(chan error, len(d.servers))
	for i, server := range d.servers {
		work.Go(func() error {
			err := serveOn(server, d.listeners[i])
			broken <- err
			return err
		})
	}
	d.log.Info("serving", "addresses", texts(d.addresses()))

	var err error
	select {
	case <-ctx.Done():
		d.log.Info("stopping: no new work; running commands get a grace", "grace", drainGrace.String())
	case err = <-broken:
		d.log.Error("a listener failed", "error", err)
	}
	stopWatching()
	d.drain()
	stop()
	return errors.Join(err, work.Wait(), d.close())
}

// serveOn serves one listener until its server is shut down.
func serveOn(server *http.Server, l net.Listener) error {
	var err error
	if server.TLSConfig != nil {
		err = server.ServeTLS(l, "", "")
	} else {
		err = server.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (d *Daemon) drain() {
	grace, cancel := context.WithTimeout(context.Background(), drainGrace)
	defer cancel()
	if err := d.gateway.Drain(grace); err != nil {
		d.log.Warn("some commands did not end within the grace and were killed", "error", err)
	}
	last, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	for _, server := range d.servers {
		if err := server.Shutdown(last); err != nil {
			_ = server.Close()
		}
	}
}

// tidy removes what is no longer needed, until ctx ends.
func (d *Daemon) tidy(ctx context.Context, keep config.Retention) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			// The memory goes first: a nonce that only the journal still holds is refused there.
			d.verifier.Forget(now)
			if _, err := d.journal.PruneNonces(ctx, now); err != nil {
				d.log.Warn("expired nonces could not be removed", "error", err)
			}
			d.prune(ctx, journal.Retention{EndedBefore: now.Add(-keep.Age), MaxBytes: keep.Bytes})
		}
	}
}

// prune forgets old jobs. The audit goes on knowing of them, and knows how many are gone.
func (d *Daemon) prune(ctx context.Context, keep journal.Retention) {
	gone, err := d.journal.Prune(ctx, keep)
	if err != nil && ctx.Err() == nil {
		d.log.Warn("old jobs could not be removed", "error", err)
	}
	if gone.Jobs > 0 {
		d.log.Info("forgot old jobs, as retention says", "jobs", gone.Jobs, "bytes", gone.Bytes)
		d.record(context.WithoutCancel(ctx), audit.Leaf{Type: audit.Pruned, Count: int64(gone.Jobs)})
	}
}

func texts(addresses []net.Addr) []string {
	list := make([]string, len(addresses))
	for i, a := range addresses {
		list[i] = a.Network() + ":" + a.String()
	}
	return list
}
