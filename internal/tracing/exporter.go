package tracing

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

const (
	// batchSize is how many spans are sent at once.
	batchSize = 512
	// tries is how often a batch is sent that a collector may take later, with a pause from firstPause on, twice as long each time.
	tries      = 5
	firstPause = 500 * time.Millisecond
	maxPause   = 10 * time.Second
	// sayAgain is how often it is said that nothing can be sent.
	sayAgain = 5 * time.Minute
)

// Stats are counted from the start of a Tracer, but for Queued.
type Stats struct {
	Sent     uint64 // spans that the collector took
	Full     uint64 // spans that were dropped because too many waited
	NotSent  uint64 // spans that were dropped because the collector did not take them
	Failures uint64 // attempts to send that failed
	Queued   int    // spans that wait
}

// Stats returns figures; of nil there are none.
func (t *Tracer) Stats() Stats {
	if t == nil {
		return Stats{}
	}
	e := t.exporter
	return Stats{
		Sent: e.upload.taken.Load(), Full: e.full.Load(), NotSent: e.notSent.Load() + e.upload.rejected.Load(), Failures: e.failures.Load(), Queued: len(e.queue),
	}
}

// exporter keeps spans that have ended until they are sent. It is OpenTelemetry's batch processor with what that lacks: it counts what it drops.
type exporter struct {
	upload   *upload
	spans    sdk.SpanExporter // spans in OTLP, for upload
	interval time.Duration
	log      *slog.Logger

	queue chan sdk.ReadOnlySpan
	due   chan struct{} // has one place: a batch is full
	stop  chan struct{}
	once  sync.Once
	done  chan struct{}
	ctx   context.Context // of what is sent; ends when Close has waited long enough
	abort context.CancelFunc

	full, notSent, failures atomic.Uint64

	failing bool      // those of run
	saidAt  time.Time // when it was said last
}

var _ sdk.SpanProcessor = (*exporter)(nil)

func newExporter(c Config) *exporter {
	e := &exporter{
		upload: &upload{url: c.Endpoint, header: c.Header, client: c.Client}, interval: c.interval, log: c.Log,
		queue: make(chan sdk.ReadOnlySpan, c.queue), due: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	e.spans = otlptrace.NewUnstarted(e.upload)
	e.ctx, e.abort = context.WithCancel(context.Background())
	go e.run()
	return e
}

// OnStart implements sdk.SpanProcessor.
func (e *exporter) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements sdk.SpanProcessor. It never waits.
func (e *exporter) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	select {
	case <-e.stop:
		e.full.Add(1)
		return
	default:
	}
	select {
	case e.queue <- s:
	default:
		e.full.Add(1)
	}
	if len(e.queue) >= batchSize {
		select {
		case e.due <- struct{}{}:
		default:
		}
	}
}

// Shutdown implements sdk.SpanProcessor.
func (e *exporter) Shutdown(ctx context.Context) error { return e.close(ctx) }

// ForceFlush implements sdk.SpanProcessor. Nobody calls it.
func (e *exporter) ForceFlush(context.Context) error { return nil }

func (e *exporter) close(ctx context.Context) error {
	e.once.Do(func() { close(e.stop) })
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		e.abort()
		<-e.done
		return ctx.Err()
	}
}

// run sends what waits, from time to time and when there is a batch, until stop.
func (e *exporter) run() {
	defer close(e.done)
	defer e.abort()
	tick := time.NewTicker(e.interval)
	defer tick.Stop()
	for {
		select {
		case <-e.due:
		case <-tick.C:
		case <-e.stop:
			e.sendAll()
			return
		}
		e.sendAll()
	}
}

// sendAll sends what waits now.
func (e *exporter) sendAll() {
	for {
		var batch []sdk.ReadOnlySpan
		for len(batch) < batchSize && len(e.queue) > 0 {
			batch = append(batch, <-e.queue)
		}
		if len(batch) == 0 {
			return
		}
		e.send(batch)
	}
}

// send sends a batch, or drops it.
func (e *exporter) send(batch []sdk.ReadOnlySpan) {
	pause := firstPause
	for try := 1; ; try++ {
		err := e.spans.ExportSpans(e.ctx, batch)
		if err == nil {
			e.sentAgain()
			return
		}
		e.failures.Add(1)
		var later *laterError
		again := errors.As(err, &later) && try < tries && e.ctx.Err() == nil
		e.failed(err)
		if !again || !e.wait(min(maxPause, max(pause, later.after))) {
			e.notSent.Add(uint64(len(batch)))
			return
		}
		pause *= 2
	}
}

// wait waits between two attempts. It returns false when the gateway is to end: a collector that is away gets one attempt then for each batch.
func (e *exporter) wait(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.stop:
		return false
	}
}

// failed says that nothing can be sent: at once, and then from time to time.
func (e *exporter) failed(err error) {
	if e.failing && time.Since(e.saidAt) < sayAgain || e.ctx.Err() != nil {
		return
	}
	e.failing, e.saidAt = true, time.Now()
	e.log.Warn("traces cannot be sent; requests go on, and spans are dropped when too many wait", "error", err, "dropped", e.full.Load()+e.notSent.Load())
}

func (e *exporter) sentAgain() {
	if e.failing {
		e.failing = false
		e.log.Info("traces are sent again", "dropped", e.full.Load()+e.notSent.Load())
	}
}
