package tracing

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// A Key names what a span says. There are no others: who adds one thinks about who chooses its values, and whether one of them can be a secret.
type Key string

// The keys. Those of HTTP are OpenTelemetry's own.
const (
	Method      Key = "http.request.method"
	Route       Key = "http.route"                // as it is routed, not as it was sent
	HTTPStatus  Key = "http.response.status_code" // of an answer, the gateway's or a receiver's
	Client      Key = "sidegate.client"           // as the configuration names it
	Code        Key = "sidegate.code"             // of a refusal, or "ok"
	Decision    Key = "sidegate.decision_id"
	Allowed     Key = "sidegate.allowed" // by the policy
	Job         Key = "sidegate.job_id"
	Profile     Key = "sidegate.profile"
	Status      Key = "sidegate.status" // how a job ended, or what becomes of a callback
	ExitCode    Key = "sidegate.exit_code"
	Plugin      Key = "sidegate.plugin"
	Delivery    Key = "sidegate.delivery_id"
	Attempt     Key = "sidegate.attempt"
	Outcome     Key = "sidegate.outcome"     // of an attempt
	Destination Key = "sidegate.destination" // scheme, host and port
)

// A Span is a piece of work that takes time. All methods may be called on nil, which does nothing, and concurrently.
type Span struct {
	t    *Tracer
	span trace.Span
}

// Child begins a span within s. It may outlive s.
func (s *Span) Child(name string) *Span {
	if s == nil {
		return nil
	}
	return s.t.start(s.span, name)
}

// ChildAt begins a span that began earlier.
func (s *Span) ChildAt(name string, begun time.Time) *Span {
	if s == nil {
		return nil
	}
	return s.t.start(s.span, name, trace.WithTimestamp(begun))
}

// Call begins a span that asks another service for something, which gets its [Span.Traceparent].
func (s *Span) Call(name string) *Span {
	if s == nil {
		return nil
	}
	return s.t.start(s.span, name, trace.WithSpanKind(trace.SpanKindClient))
}

// Set says something about s; an empty value says nothing. What is no text is mended, because one bad byte would cost everything that is sent with it.
func (s *Span) Set(key Key, value string) {
	if s != nil && value != "" {
		s.span.SetAttributes(attribute.String(string(key), strings.ToValidUTF8(value, "\uFFFD")))
	}
}

// SetInt says a number about s.
func (s *Span) SetInt(key Key, value int) {
	if s != nil {
		s.span.SetAttributes(attribute.Int(string(key), value))
	}
}

// SetBool says about s that something is so, or not.
func (s *Span) SetBool(key Key, value bool) {
	if s != nil {
		s.span.SetAttributes(attribute.Bool(string(key), value))
	}
}

// Fail marks s as a failure of the gateway or of what it called. A denial is none, and a command that exits with 1 neither.
func (s *Span) Fail() {
	if s != nil {
		s.span.SetStatus(codes.Error, "")
	}
}

// End ends s. What is said afterwards is lost, and ending again does nothing.
func (s *Span) End() {
	if s != nil {
		s.span.End()
	}
}

// TraceID is that of the trace that s is in, in hexadecimal; "" of nil.
func (s *Span) TraceID() string {
	if s == nil {
		return ""
	}
	return s.span.SpanContext().TraceID().String()
}

// Traceparent names s to others as the header of that name does (W3C Trace Context); "" of nil. It tells them whether s is recorded.
func (s *Span) Traceparent() string {
	if s == nil {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpan(context.Background(), s.span), carrier)
	return carrier[traceparent]
}

const traceparent = "traceparent"

// parse reads a traceparent; one that is not valid is none.
func parse(header string) trace.SpanContext {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceparent: header})
	return trace.SpanContextFromContext(ctx)
}
