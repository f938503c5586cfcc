package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/tracing"
)

// Spans beside the stages that are timed, whose names they have too.
const (
	spanVerify   = "verify" // with the reading of the body
	spanDecode   = "decode"
	spanAnalyze  = "analyze"
	spanPolicy   = "policy"
	spanTighten  = "tighten"
	spanQueue    = "queue"
	spanRun      = "run"
	spanCallback = "callback"
	spanMessage  = "callback_plugins"
)

// traced begins the trace of a call whose caller is known now, as of the time that it came in: who is not known gets no part in anybody's trace. A call
// that is not counted has none.
func (g *Gateway) traced(w http.ResponseWriter, r *http.Request, client string) *tracing.Span {
	c, ok := w.(*countedWriter)
	if !ok || g.tracer == nil {
		return nil
	}
	c.trace = g.tracer.Accept(r.Header.Values("Traceparent"), c.name(), c.begun)
	c.trace.Set(tracing.Client, client)
	c.trace.ChildAt(spanVerify, c.begun).End()
	return c.trace
}

// traceEnd ends the trace of an answer. One that refuses a caller whom nobody knows may have a trace of its own.
func (g *Gateway) traceEnd(w *countedWriter) {
	if g.tracer == nil {
		return
	}
	if w.trace == nil && w.refusal != "" {
		w.trace = g.tracer.Unknown(w.name(), w.begun)
	}
	w.trace.Set(tracing.Method, w.method)
	w.trace.Set(tracing.Route, w.route)
	w.trace.Set(tracing.Code, w.code)
	if w.status > 0 {
		w.trace.SetInt(tracing.HTTPStatus, w.status)
	}
	if w.status >= http.StatusInternalServerError || w.code == codeAborted {
		w.trace.Fail()
	}
	w.trace.End()
}

// name is that of a trace: the method and the route, as they are known.
func (w *countedWriter) name() string { return w.method + " " + w.route }

// A stage is a part of a request's way that is timed, and a span of its trace.
type stage struct {
	g     *Gateway
	name  string
	begun time.Time
	span  *tracing.Span
}

// stage begins a stage of a request; it ends with over.
func (g *Gateway) stage(of *tracing.Span, name string) stage {
	if g.metrics.Stage == nil && of == nil {
		return stage{}
	}
	return stage{g, name, time.Now(), of.Child(name)}
}

func (s stage) over() {
	if s.g == nil {
		return
	}
	s.span.End()
	if s.g.metrics.Stage != nil {
		s.g.metrics.Stage(s.name, time.Since(s.begun))
	}
}

// failed ends a stage that came to nothing; how long it took is not counted.
func (s stage) failed() {
	s.span.Fail()
	s.span.End()
}

// traceAttr is what the log says of a request's trace: nothing where there is none.
func (r Request) traceAttr() slog.Attr { return traceAttr(r.trace) }

func traceAttr(s *tracing.Span) slog.Attr {
	if s == nil {
		return slog.Attr{}
	}
	return slog.String("trace_id", s.TraceID())
}

// TraceCallback begins the span of an attempt to deliver a callback, in the trace of the request that asked for it, which the journal keeps: so it is the
// same trace hours later, and after a restart. It returns the traceparent that the receiver gets, and what is to be called at the end. Both are empty
// where the request was not traced.
func (g *Gateway) TraceCallback(ctx context.Context, d callback.Delivery) (traceparent string, done func(callback.Settlement)) {
	nothing := func(callback.Settlement) {}
	if g.tracer == nil {
		return "", nothing
	}
	row, err := g.journal.Job(ctx, d.JobID)
	if err != nil {
		return "", nothing
	}
	span := g.tracer.Resume(requestOf(row).Trace).Call(spanCallback)
	span.Set(tracing.Job, d.JobID)
	span.Set(tracing.Delivery, d.ID)
	span.Set(tracing.Destination, d.Destination)
	return span.Traceparent(), func(s callback.Settlement) {
		span.SetInt(tracing.Attempt, s.Attempt)
		span.Set(tracing.Status, string(s.State))
		span.Set(tracing.Outcome, string(s.Outcome))
		if s.StatusCode > 0 {
			span.SetInt(tracing.HTTPStatus, s.StatusCode)
		}
		if s.State != callback.Delivered {
			span.Fail()
		}
		span.End()
	}
}
