package gateway

import (
	"net/netip"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/tracing"
	"github.com/sidegate/sidegate/wasm"
)

// Request is what a verified caller asked for, decoded and not yet accepted. It is stored with its job, so that a job
// which waited can be decided again on exactly what was asked.
type Request struct {
	ID        string         `json:"id"`
	Time      time.Time      `json:"time"`
	SourceIP  netip.Addr     `json:"source_ip"`
	Principal auth.Principal `json:"principal"`
	// Changes are what plugins did to the order, which is what they made of it.
	Changes []wasm.Change `json:"changes,omitempty"`
	// Trace names the span of the request, so that its callback is in the same trace whenever it is sent; empty where there is no trace.
	Trace string `json:"trace,omitempty"`
	Order

	trace *tracing.Span // what happens to the request is a part of it; nil where there is no trace
}

// Order is the part of a Request that its body carries.
type Order struct {
	Command string `json:"command,omitempty"`
	// Argv is an argument vector in place of a command string; nil where there is a string.
	Argv []string `json:"argv,omitempty"`
	// Wait tells whether the caller wants the result in the reply.
	Wait bool `json:"wait"`
	// Workdir is the directory asked for, as it was asked for; "" means a private empty one.
	Workdir string `json:"workdir,omitempty"`
	// Env holds the variables asked for, in the caller's order, each key once.
	Env []Variable `json:"env,omitempty"`
	// Stdin is the command's standard input; nil where there is none.
	Stdin *string `json:"stdin,omitempty"`
	// Timeout is the longest the caller wants the command to run; 0 leaves it to the decision.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Labels are the caller's own, for policies and listings.
	Labels map[string]string `json:"labels,omitempty"`
	// Callback is nil when none was asked for.
	Callback *callback.Destination `json:"callback,omitempty"`
}

// Variable is one environment variable of a request.
type Variable struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}
