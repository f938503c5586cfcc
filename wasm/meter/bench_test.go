package meter_test

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sidegate/sidegate/wasm/meter"
)

// sumLoop adds the numbers below its parameter, in the tightest of loops.
var sumLoop = single([]byte{i32}, []byte{i32}, locals(1, i32),
	0x03, void, // loop
	0x20, 1, 0x20, 0, 0x6a, 0x21, 1, // sum += n
	0x20, 0, 0x41, 1, 0x6b, 0x22, 0, // n--
	0x0d, 0, // br_if
	0x0b, 0x20, 1)

// flipLoop inverts the first n bytes of memory, as a transform of a message would.
var flipLoop = single([]byte{i32}, []byte{i32}, noLocals,
	0x03, void,
	0x20, 0, 0x41, 1, 0x6b, 0x22, 0, // n--
	0x20, 0, 0x2d, 0, 0, // load8
	0x41, sleb(255), 0x73, 0x3a, 0, 0, // xor, store8
	0x20, 0, 0x0d, 0,
	0x0b, 0x20, 0)

// fib calls itself, and does little else.
var fib = single([]byte{i32}, []byte{i32}, noLocals,
	0x20, 0, 0x41, 2, 0x48, 0x04, i32, 0x20, 0,
	0x05, 0x20, 0, 0x41, 1, 0x6b, 0x10, 0, 0x20, 0, 0x41, 2, 0x6b, 0x10, 0, 0x6a, 0x0b)

func instantiate(tb testing.TB, r wazero.Runtime, module []byte) api.Module {
	tb.Helper()
	m, err := r.InstantiateWithConfig(context.Background(), module, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func rewrite(tb testing.TB, module []byte) *meter.Module {
	tb.Helper()
	m, err := meter.Rewrite(module, meter.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// BenchmarkRun compares guests as they are, metered, and with wazero's own interruption.
func BenchmarkRun(b *testing.B) {
	for _, guest := range []struct {
		name   string
		module []byte
		arg    uint64
	}{
		{"loop of 10,000", sumLoop, 10_000},
		{"flip of 1,024 bytes", flipLoop, 1024},
		{"fib(20)", fib, 20},
	} {
		for _, how := range []string{"plain", "metered", "close on done"} {
			b.Run(guest.name+"/"+how, func(b *testing.B) {
				module := guest.module
				config := wazero.NewRuntimeConfig()
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if how == "close on done" {
					config = config.WithCloseOnContextDone(true)
				}
				r := wazero.NewRuntimeWithConfig(ctx, config)
				defer r.Close(ctx)
				if how == "metered" {
					provideRefill(b, r, func(int64) int64 { return 1 << 20 })
					module = rewrite(b, module).Binary
				}
				run := instantiate(b, r, module).ExportedFunction("run")
				stack := make([]uint64, 1)
				b.ReportAllocs()
				for b.Loop() {
					stack[0] = guest.arg
					if err := run.CallWithStack(ctx, stack); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
