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
	// linger is what open connections get to send what is on its way, and to end with its answer, when no new ones are taken any more.
	linger = time.Second
	// farewell is what callers get to take the last replies.
	farewell = 5 * time.Second
	// closing is what recording the last ends and closing the journal are expected to take at most.
	closing = 15 * time.Second
	// mostStreams is how many calls one connection of HTTP/2 may carry at once: as many as clients take for granted that have not been told yet. streamBuffer is how
	// many bytes of each are taken that nobody has read.
	mostStreams  = 100
	streamBuffer = 64 << 10
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
		// What a connection may hold that is HTTP/2. Clients in use open another one when that is not enough.
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: mostStreams, MaxReceiveBufferPerStream: streamBuffer},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
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

// Serve serves until ctx ends, then drains, see [Daemon.Hurry]: no new work, a grace for what runs, the last replies, and the journal is
// closed. It returns nil after an orderly end.
func (d *Daemon) Serve(ctx context.Context) error {
	background, stop := context.WithCancel(context.Background())
	watching, stopWatching := context.WithCancel(ctx) // what is reloaded when the end has come is for nobody
	var work errgroup.Group
	work.Go(func() error { return d.delivery.Run(background) })
	work.Go(func() error { d.tidy(background, d.keep); return nil })
	work.Go(func() error { return d.maker.Run(background) })
	work.Go(func() error { d.watchFiles(watching); return nil })
	work.Go(func() error { d.showLife(background); return nil })

	broken := make(chan error, len(d.doors))
	for _, at := range d.doors {
		work.Go(func() error {
			err := at.serve()
			broken <- err
			return err
		})
	}
	d.log.Info("serving", "addresses", texts(d.addresses()))
	d.supervisor.Ready(d.state())

	var err error
	select {
	case <-ctx.Done():
		d.log.Info("stopping: no new work; running commands get a grace", "grace", d.graces.Grace.String())
	case err = <-broken:
		d.log.Error("a listener failed", "error", err)
	}
	stopWatching()
	d.drain(d.graces)
	stop()
	err = errors.Join(err, work.Wait())
	d.endReloads()
	err = errors.Join(err, d.close())
	d.log.Info("stopped")
	return err
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

// prune forgets old jobs. The audit goes on knowing of them, and knows which are gone.
func (d *Daemon) prune(ctx context.Context, keep journal.Retention) {
	keep.Leaf = func(jobs []string) []byte {
		return audit.Leaf{Type: audit.Pruned, Time: time.Now(), Count: int64(len(jobs)), Jobs: jobs}.Encode()
	}
	gone, err := d.journal.Prune(ctx, keep)
	if err != nil && ctx.Err() == nil {
		d.log.Warn("old jobs could not be removed", "error", err)
	}
	if gone.Jobs > 0 {
		d.log.Info("forgot old jobs, as retention says", "jobs", gone.Jobs, "bytes", gone.Bytes)
	}
}

func texts(addresses []net.Addr) []string {
	list := make([]string, len(addresses))
	for i, a := range addresses {
		list[i] = a.Network() + ":" + a.String()
	}
	return list
}
