package guest

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"
)

// A Phase is the point of a request's way at which a plugin is called.
type Phase string

// The phases of the contract.
const (
	Request  Phase = "request"
	Response Phase = "response"
	Callback Phase = "callback"

	// Init is the phase of a [Failure] of [Plugin.Configure]; it cannot be called.
	Init Phase = "init"
)

// phases are those that a module may export a function for, in the order of the request's way.
// An instance keeps its functions in this order.
var phases = [...]struct {
	phase  Phase
	export string
}{{Request, "on_request"}, {Response, "on_response"}, {Callback, "on_callback"}}

func phaseIndex(p Phase) int {
	for i := range phases {
		if phases[i].phase == p {
			return i
		}
	}
	return -1
}

// Level is how important a guest says that a line is: slog's debug, info, warn or error.
type Level = slog.Level

// Config says what to load, and what it may do.
type Config struct {
	// Name is the plugin's, for errors. Required.
	Name string
	// Binary is the module as its author built it. Load does not keep it.
	Binary []byte
	Limits Limits
	// Persistent leaves an instance's memory as a call left it, for the next call that gets the
	// instance: calls can then see each other's data. A failed call still discards its instance.
	Persistent bool
	// Fetch does one HTTP exchange for the guest; nil refuses modules that import http_fetch. It
	// decides which destinations are allowed, bounds the size of what it returns, and must return
	// when its context ends, which is at the latest at the call's deadline.
	Fetch func(context.Context, FetchRequest) (FetchResponse, error)
	// Log takes what the guest logs: one line each, printable UTF-8 of at most 1 KiB. It is
	// called during calls, by several at once, and must not block. Nil drops the lines.
	Log func(level Level, line string)
	// CacheDir keeps the compiled modules of all plugins: native code, so it is created with
	// mode 0700, and refused if another user owns it or could write to it. "" compiles each time.
	CacheDir string
	// CompileTime is how long Load waits at most for a module to be compiled. What is known to take the
	// compiler long is refused by wasm/meter: this is for what is not known, and for slow hosts.
	// Default 1 minute.
	CompileTime time.Duration
}

func (c Config) validate() (Config, error) {
	if c.Name == "" {
		return c, errors.New("guest: a plugin needs a name")
	}
	if wrong := c.Limits.Check(); wrong != nil {
		return c, wrong[0]
	}
	if c.CompileTime < 0 {
		return c, errors.New("guest: CompileTime must not be negative")
	}
	c.CompileTime = cmp.Or(c.CompileTime, defaultCompileTime)
	c.Limits = c.Limits.withDefaults()
	return c, nil
}
