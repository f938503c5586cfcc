package metrics

import "github.com/prometheus/client_golang/prometheus"

// Traces are figures about the sending of spans.
type Traces struct {
	Sent     uint64 // spans that were taken
	Full     uint64 // spans that were dropped because too many waited
	NotSent  uint64 // spans that were dropped because they were not taken
	Failures uint64 // attempts to send that failed
	Queued   int    // spans that wait
}

func traceFigures(read func() Traces) *figures {
	f := new(figures)
	sent := f.counter("trace_spans_sent_total", "Spans that the collector took.")
	dropped := f.counter("trace_spans_dropped_total", "Spans that were dropped, by why.", "reason")
	failures := f.counter("trace_send_failures_total", "Attempts to send spans that failed.")
	queued := f.gauge("trace_spans_queued", "Spans that wait to be sent.")
	f.read = func(out chan<- prometheus.Metric) {
		t := read()
		sent(out, float64(t.Sent))
		dropped(out, float64(t.Full), "full")
		dropped(out, float64(t.NotSent), "not_sent")
		failures(out, float64(t.Failures))
		queued(out, float64(t.Queued))
	}
	return f
}
