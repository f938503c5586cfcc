package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

// The values of these names of Config, but in tests.
const (
	defaultInterval = 2 * time.Second
	defaultQueue    = 4096
)

// What a span may say: more is left out, and longer texts are cut.
const (
	maxAttributes = 24
	maxText       = 256 // characters
)

// Calls of nobody known are traced so often, whatever the ratio: enough to see that there are some, and too few for them to cost anything.
const (
	unknownRate  = 1 // a second
	unknownBurst = 5
)

// Config is what New needs.
type Config struct {
	Endpoint string       // URL that spans are posted to
	Client   *http.Client // its timeout bounds an attempt
	Header   http.Header  // sent with each attempt; may hold secrets
	Ratio    float64      // of the requests that are traced: above 0, 1 for all

	Version, Host string // of the gateway

	Log *slog.Logger // nil means slog.Default

	interval time.Duration // between two sendings; 0 means defaultInterval
	queue    int           // spans that wait at most; 0 means defaultQueue
}

// A Tracer begins traces. Make one with New and end it with Close; all methods may be called on nil, which traces nothing, and concurrently.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	exporter *exporter
	unknown  *rate.Limiter
}

// New returns a Tracer that sends what it is told in the background. Nothing is sent before there is something, so a collector that is not there is no error.
func New(c Config) (*Tracer, error) {
	switch {
	case c.Endpoint == "" || c.Client == nil:
		return nil, errors.New("tracing: Endpoint and Client are required")
	case !(c.Ratio > 0 && c.Ratio <= 1):
		return nil, fmt.Errorf("tracing: Ratio must be above 0 and at most 1, it is %v", c.Ratio)
	}
	if c.interval == 0 {
		c.interval = defaultInterval
	}
	if c.queue == 0 {
		c.queue = defaultQueue
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	about := resource.NewSchemaless(attribute.String("service.name", "sidegate"), attribute.String("service.version", c.Version), attribute.String("host.name", c.Host))
	t := &Tracer{exporter: newExporter(c), unknown: rate.NewLimiter(unknownRate, unknownBurst)}
	own := ratio(c.Ratio)
	t.provider = sdk.NewTracerProvider(
		sdk.WithResource(about), sdk.WithSpanProcessor(t.exporter),
		// Within a trace of the gateway's own the beginning decides; what others say of theirs decides nothing.
		sdk.WithSampler(sdk.ParentBased(own, sdk.WithRemoteParentSampled(own), sdk.WithRemoteParentNotSampled(own))),
		sdk.WithRawSpanLimits(sdk.SpanLimits{AttributeValueLengthLimit: maxText, AttributeCountLimit: maxAttributes}),
	)
	t.tracer = t.provider.Tracer("sidegate", trace.WithInstrumentationVersion(c.Version))
	return t, nil
}

// Accept begins the trace of a request that a known client sent at the given time. parents are the values of its traceparent headers: a single valid one
// makes the request a part of the caller's trace. Whether it is recorded is this Tracer's draw alone: the header is not signed, and a flag in it, or a
// trace ID that was chosen well, must not decide what is stored elsewhere at the operator's cost.
func (t *Tracer) Accept(parents []string, name string, begun time.Time) *Span {
	if t == nil {
		return nil
	}
	ctx := context.Background()
	if len(parents) == 1 {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parse(parents[0]))
	}
	_, span := t.tracer.Start(ctx, name, trace.WithTimestamp(begun), trace.WithSpanKind(trace.SpanKindServer))
	return &Span{t, span}
}

// Unknown begins the trace of a request that nobody known sent, or nil: there are few of them, and they are part of no other trace.
func (t *Tracer) Unknown(name string, begun time.Time) *Span {
	if t == nil || !t.unknown.Allow() {
		return nil
	}
	return t.Accept(nil, name, begun)
}

// Resume goes on with a trace of this gateway's own, whose span said so of itself with [Span.Traceparent], in an earlier process perhaps. The span itself has
// ended: what it is told is lost. It is nil where there is no such span.
func (t *Tracer) Resume(own string) *Span {
	if t == nil || own == "" {
		return nil
	}
	parent := parse(own).WithRemote(false)
	if !parent.IsValid() {
		return nil
	}
	return &Span{t, trace.SpanFromContext(trace.ContextWithSpanContext(context.Background(), parent))}
}

func (t *Tracer) start(parent trace.Span, name string, options ...trace.SpanStartOption) *Span {
	_, span := t.tracer.Start(trace.ContextWithSpan(context.Background(), parent), name, options...)
	return &Span{t, span}
}

// Close sends what waits, as long as ctx lasts, and ends. Spans that end later are dropped.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.exporter.close(ctx)
}

// ratio draws for each trace, whatever its ID is.
type ratio float64

var _ sdk.Sampler = ratio(0)

// Description implements sdk.Sampler.
func (r ratio) Description() string { return fmt.Sprintf("Ratio{%v}", float64(r)) }

// ShouldSample implements sdk.Sampler.
func (r ratio) ShouldSample(sdk.SamplingParameters) sdk.SamplingResult {
	if rand.Float64() < float64(r) {
		return sdk.SamplingResult{Decision: sdk.RecordAndSample}
	}
	return sdk.SamplingResult{Decision: sdk.Drop}
}
