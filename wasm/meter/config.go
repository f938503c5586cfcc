package meter

import (
	"fmt"
	"time"
)

// Config bounds what [Rewrite] accepts. Zero values mean the defaults. The defaults let
// everything through that Go, clang and AssemblyScript produce for plugins, and keep what a
// hostile module of a few bytes can make a WebAssembly engine reserve within tens of MiB.
type Config struct {
	MaxModule        int // bytes of the module; default 16 MiB, at most 64 MiB
	MaxFunctions     int // functions that the module defines; default 100,000
	MaxBody          int // bytes of one function; default 2 MiB
	MaxLocals        int // locals of one function, parameters included; default 20,000
	MaxNesting       int // blocks, loops and ifs inside each other in one function; default 10,000
	MaxTableElements int // initial and largest size of a table; default 1,000,000; a larger maximum is lowered to this

	// Stack is the initial value of the depth global: how many bytes of native stack the
	// calls of one instance may take before the host sets the global. Default 4 MiB.
	Stack int64
}

// Limits that need no setting: no compiler comes near them, and an engine reserves memory
// by these numbers.
const (
	hardMaxModule  = 64 << 20
	maxTypes       = 50_000
	maxArity       = 1000 // parameters of a type, and results; the limit of the JavaScript embedding
	maxImports     = 10_000
	maxExports     = 50_000
	maxGlobals     = 10_000
	maxTables      = 64
	maxSegments    = 100_000
	maxElements    = 1_000_000 // of all segments
	maxBranches    = 65_520    // targets of one br_table; the limit of browsers
	maxTotalLocals = 2 << 20   // of all functions
	maxValues      = 100_000   // of the compiler's intermediate form, in one function: its time grows faster than their number
	maxTotalValues = 16 << 20  // in all functions
	maxGlobalLoads = 1 << 20   // mutable globals times calls in one function: the compiler loads them all after each
)

// Limits of what wazero's compiler takes, as an [effort] estimates it. Functions that were made to take
// long, by hand and at random, took 0.65 times the estimate in the median, and twice that at most.
const (
	// Of one function. The largest of the example plugins, which are Go, is estimated at 55 ms; of
	// the specification's tests at 240 ms, and all but that one at 1 ms; of the SDKs' templates in C
	// and AssemblyScript at 1 ms; of modules from Rust, TinyGo and Zig at 17 ms; of a C++ library of
	// 9 MB at 300 ms.
	maxEffort = 600 * time.Millisecond
	// Of a module. The example plugins, of up to 4 MB, are estimated at up to 3 s (and take 1.5), the
	// templates at 8 ms, the modules from Rust, TinyGo and Zig at 100 ms. The C++ library needs as
	// much as is allowed.
	maxTotalEffort = 10 * time.Second
)

// withDefaults returns c with defaults for what is zero.
func (c Config) withDefaults() (Config, error) {
	for _, f := range []struct {
		name  string
		value *int
		or    int
		most  int
	}{
		{"MaxModule", &c.MaxModule, 16 << 20, hardMaxModule},
		{"MaxFunctions", &c.MaxFunctions, 100_000, 1_000_000},
		{"MaxBody", &c.MaxBody, 2 << 20, hardMaxModule},
		{"MaxLocals", &c.MaxLocals, 20_000, 50_000},
		{"MaxNesting", &c.MaxNesting, 10_000, 100_000},
		{"MaxTableElements", &c.MaxTableElements, 1_000_000, 10_000_000},
	} {
		if *f.value == 0 {
			*f.value = f.or
		}
		if *f.value < 0 || *f.value > f.most {
			return c, fmt.Errorf("meter: %s is %d: want 1 to %d", f.name, *f.value, f.most)
		}
	}
	if c.Stack == 0 {
		c.Stack = 4 << 20
	}
	if c.Stack < 0 {
		return c, fmt.Errorf("meter: Stack is %d: want a positive number of bytes", c.Stack)
	}
	return c, nil
}
