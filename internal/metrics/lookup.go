package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// errSlow says that a look-up took too long. It may be going on.
var errSlow = errors.New("it takes too long")

// lookup is the look-up of figures that may take long, or fail: a scrape waits for it as long as it may take, and goes on without. There is never more
// than one going on, not even where one hangs in the kernel, because a file system does.
type lookup struct {
	read     func(context.Context) (Lookup, error)
	time     time.Duration
	log      *slog.Logger
	failures prometheus.Counter

	mu      sync.Mutex
	current *flight // nil while none is going on
	failing bool    // the newest did
}

// flight is one look-up. What it found is valid once done is closed.
type flight struct {
	done  chan struct{}
	found Lookup
	err   error
}

func newLookup(read func(context.Context) (Lookup, error), limit time.Duration, log *slog.Logger) *lookup {
	return &lookup{read: read, time: limit, log: log, failures: prometheus.NewCounter(prometheus.CounterOpts{
		Name: prefix + "metrics_lookup_failures_total", Help: "Scrapes that lack the figures that are looked up in the journal, because that failed or took too long.",
	})}
}

// get looks up, or waits for the look-up that is going on.
func (l *lookup) get() (Lookup, bool) {
	f := l.begin()
	timer := time.NewTimer(l.time)
	defer timer.Stop()
	err := errSlow
	select {
	case <-f.done:
		err = f.err
	case <-timer.C:
	}
	l.tell(err)
	if err != nil {
		return Lookup{}, false
	}
	return f.found, true
}

func (l *lookup) begin() *flight {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil {
		return l.current
	}
	f := &flight{done: make(chan struct{})}
	l.current = f
	go l.fly(f)
	return f
}

func (l *lookup) fly(f *flight) {
	ctx, cancel := context.WithTimeout(context.Background(), l.time)
	defer cancel()
	defer func() {
		if r := recover(); r != nil { // not worth a gateway
			f.err = fmt.Errorf("panic: %v", r)
		}
		l.mu.Lock()
		l.current = nil
		l.mu.Unlock()
		close(f.done)
	}()
	f.found, f.err = l.read(ctx)
}

// tell counts failures, and logs the first in a row.
func (l *lookup) tell(err error) {
	if err != nil {
		l.failures.Inc()
	}
	l.mu.Lock()
	first := err != nil && !l.failing
	l.failing = err != nil
	l.mu.Unlock()
	if first {
		l.log.Warn("figures about the journal cannot be looked up, and are left out of /metrics", "error", err)
	}
}
