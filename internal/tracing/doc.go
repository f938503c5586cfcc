// Package tracing tells a collector of OpenTelemetry where the time of requests goes: a trace for each, with a span for each stage, sent as OTLP over HTTP
// in protobuf. It is the only package that imports OpenTelemetry, and it knows no other part of the gateway.
//
// Nobody waits for it. Spans that have ended wait in a queue of bounded length, and are dropped and counted when it is full; a collector that is away costs
// what waits for it, and nothing else. Of a nil [Tracer], and of a nil [Span], every method does nothing and allocates nothing: so a gateway without
// tracing has no other code than one with it.
//
// What a span says comes out of small sets, or is an ID that the gateway made: see [Key]. A command, its output, an environment variable, a URL's path and
// what a plugin or a receiver wrote are never in one.
package tracing
