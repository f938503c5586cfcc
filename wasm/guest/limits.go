package guest

import (
	"fmt"
	"time"
)

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
	// Deadline is the longest that one call may take, with its fetches. Default 1 s. A call waits no
	// longer than that for its turn before it begins.
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

// A LimitError is a limit that is neither zero nor in its bounds.
type LimitError struct {
	Name               string // of the field, in lower case
	Value, Least, Most int64  // bytes, fuel, nanoseconds or calls
}

func (e *LimitError) Error() string {
	if e.Name == "deadline" {
		return fmt.Sprintf("limit deadline must be %v to %v, not %v", time.Duration(e.Least), time.Duration(e.Most), time.Duration(e.Value))
	}
	return fmt.Sprintf("limit %s must be %d to %d, not %d", e.Name, e.Least, e.Most, e.Value)
}

// Check returns an error for each limit that [Load] would refuse, in their order.
func (l Limits) Check() []*LimitError {
	var wrong []*LimitError
	l.each(func(name string, value *int64, _, least, most int64) {
		if *value != 0 && (*value < least || *value > most) {
			wrong = append(wrong, &LimitError{name, *value, least, most})
		}
	})
	return wrong
}

// withDefaults returns l, which Check has seen, with defaults for what is zero.
func (l Limits) withDefaults() Limits {
	l.each(func(_ string, value *int64, otherwise, _, _ int64) {
		if *value == 0 {
			*value = otherwise
		}
	})
	l.Memory -= l.Memory % pageSize
	return l
}

// each visits the limits.
func (l *Limits) each(visit func(name string, value *int64, otherwise, least, most int64)) {
	visit("memory", &l.Memory, 64<<20, pageSize, 4<<30)
	visit("fuel", &l.Fuel, 1<<36, 1, 1<<50)
	deadline, concurrency := int64(l.Deadline), int64(l.Concurrency)
	visit("deadline", &deadline, int64(time.Second), int64(time.Millisecond), int64(time.Hour))
	visit("output", &l.Output, 4<<20, 0, 1<<30)
	visit("log", &l.Log, 16<<10, 0, 1<<30)
	visit("concurrency", &concurrency, 8, 1, 1024)
	visit("module", &l.Module, 32<<20, 8, 64<<20)
	l.Deadline, l.Concurrency = time.Duration(deadline), int(concurrency)
}
