package gateway

import (
	"net/netip"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/callback"
)

// Request is what a verified caller asked for, decoded and not yet accepted. It is stored with its job, so that a job
// which waited can be decided again on exactly what was asked.
type Request struct {
	ID        string         `json:"id"`
	Time      time.Time      `json:"time"`
	SourceIP  netip.Addr     `json:"source_ip"`
	Principal auth.Principal `json:"principal"`
	Order
}

// Order is the part of a Request that its body carries.
type Order struct {
	Command string `json:"command"`
	// Wait tells whether the caller wants the result in the reply.
	Wait bool `json:"wait"`
	// Workdir is the directory asked for, as it was asked for; "" means a private empty one.
	Workdir string `json:"workdir,omitempty"`
	// Env holds the variables asked for, in the caller's order, each key once.
	Env []Variable `json:"env,omitempty"`
	// Callback is nil when none was asked for.
	Callback *callback.Destination `json:"callback,omitempty"`
}

// Variable is one environment variable of a request.
type Variable struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}
