package guest

import (
	"context"
	"errors"
	"fmt"
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

// Limits of one plugin. Zero means the default.
type Limits struct {
	// Memory is the largest linear memory of one instance, in bytes, rounded down to pages of
	// 64 KiB. Default 64 MiB, at most 4 GiB. An instance takes address space of this size
	// and memory for what it has written.
	Memory int64
	// Fuel is how much code one call may execute, in the prices of wasm/meter, with a charge for
	// every import by what it makes the host do. Prices are those of the longest way through a function, so
	// compilers differ: one core uses 4 units in a nanosecond for code from clang, and
	// 50 for code from Go, whose functions are long switches. Default 2^36, a little over a second
	// of Go: the deadline ends what waits or runs on a slow host, and fuel gives what runs without
	// waiting a bound that does not depend on the host's load. Set it lower to hold a plugin to
	// what its messages take; [Exchange] says what a call has used.
	Fuel int64
	// Deadline is the longest that one call may take, with waiting for an instance and for
	// fetches. Default 1 s.
	Deadline time.Duration
	// Output is how many bytes one call may write to each kind. Default 4 MiB.
	Output int64
	// Log is how many bytes one call may log; each line counts 16 more. Default 16 KiB.
	Log int64
	// Concurrency is how many calls may run at once, over all pools of the plugin, and how many
	// instances a pool keeps. Default 8, at most 1024.
	Concurrency int
	// Module is the largest module that is loaded, in bytes. Default 32 MiB, at most 64 MiB.
	Module int64
}

func (l Limits) withDefaults() (Limits, error) {
	for _, f := range []struct {
		name          string
		value         *int64
		or, low, high int64
	}{
		{"Memory", &l.Memory, 64 << 20, pageSize, 4 << 30},
		{"Fuel", &l.Fuel, 1 << 30, 1, 1 << 50},
		{"Deadline", (*int64)(&l.Deadline), int64(time.Second), int64(time.Millisecond), int64(time.Hour)},
		{"Output", &l.Output, 4 << 20, 0, 1 << 30},
		{"Log", &l.Log, 16 << 10, 0, 1 << 30},
		{"Module", &l.Module, 32 << 20, 8, 64 << 20},
	} {
		if *f.value == 0 {
			*f.value = f.or
		}
		if *f.value < f.low || *f.value > f.high {
			return l, fmt.Errorf("guest: limit %s is %d: want %d to %d", f.name, *f.value, f.low, f.high)
		}
	}
	l.Memory -= l.Memory % pageSize
	if l.Concurrency == 0 {
		l.Concurrency = 8
	}
	if l.Concurrency < 1 || l.Concurrency > 1024 {
		return l, fmt.Errorf("guest: limit Concurrency is %d: want 1 to 1024", l.Concurrency)
	}
	return l, nil
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
}

func (c Config) validate() (Config, error) {
	if c.Name == "" {
		return c, errors.New("guest: a plugin needs a name")
	}
	var err error
	c.Limits, err = c.Limits.withDefaults()
	return c, err
}
