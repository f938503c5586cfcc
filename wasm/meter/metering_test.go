package meter_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sidegate/sidegate/wasm/meter"
)

// TestStops runs guests that never end, or would do too much at once, on a small budget.
func TestStops(t *testing.T) {
	t.Parallel()
	anyTable := tables(join(funcref, 0, 1))
	for _, test := range []struct {
		name   string
		module []byte
		budget int64
	}{
		{"endless loop", single(nil, nil, noLocals, 0x03, void, 0x0c, 0, 0x0b), 1_000_000},
		{"endless loop in a function with calls", single(nil, nil, noLocals, 0x03, void, 0x41, 0, 0x04, void, 0x10, 0, 0x0b, 0x0c, 0, 0x0b), 1_000_000},
		{"endless loop by br_table", single(nil, nil, noLocals, 0x03, void, 0x41, 7, 0x0e, vec([]byte{0}, []byte{0}), 0, 0x0b), 1_000_000},
		{
			// f(n) = f(n-1) + f(n-1): 2**40 calls and no loop.
			"exponential recursion", single([]byte{i32}, nil, noLocals, 0x41, 40, 0x10, 1), 1_000_000,
		},
		{"fill of 4 GiB", single(nil, nil, noLocals, 0x41, 0, 0x41, 0, 0x41, sleb(-1), 0xfc, 11, 0), 1 << 25},
		{"copy of 4 GiB", single(nil, nil, noLocals, 0x41, 0, 0x41, 0, 0x41, sleb(-1), 0xfc, 10, 0, 0), 1 << 25},
		{"growth by 4 GiB", single(nil, []byte{i32}, noLocals, 0x41, sleb(65535), 0x40, 0), 1 << 25},
		{"fill of 2**32 elements", withTable(anyTable, 0x41, 0, 0xd0, funcref, 0x41, sleb(-1), 0xfc, 17, 0), 1 << 31},
		{"copy of 2**32 elements", withTable(anyTable, 0x41, 0, 0x41, 0, 0x41, sleb(-1), 0xfc, 14, 0, 0), 1 << 31},
		{"growth by a million elements", withTable(anyTable, 0xd0, funcref, 0x41, sleb(1_000_000), 0xfc, 15, 0, 0x1a), 500_000},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			module := test.module
			if test.name == "exponential recursion" {
				module = wasm(types(signature([]byte{i32}, nil)), functions(0, 0), exports(export("run", 0, 0)), code(
					body(noLocals, 0x41, 40, 0x10, 1),
					body(noLocals, 0x20, 0, 0x04, void,
						0x20, 0, 0x41, 1, 0x6b, 0x10, 1, 0x20, 0, 0x41, 1, 0x6b, 0x10, 1, 0x0b)))
			}
			g, err := newGuest(t, rewrite(t, module), test.budget)
			if err != nil {
				t.Fatal(err)
			}
			_, err = g.run(make([]uint64, len(g.module.ExportedFunction("run").Definition().ParamTypes()))...)
			if !errors.Is(err, errStop) {
				t.Fatalf("%v, want that the host stops it; fuel asked %v", err, g.asked)
			}
			if g.depth() < 0 {
				t.Errorf("depth is %d: it was not the depth", g.depth())
			}
		})
	}
}

func withTable(table []byte, instructions ...any) []byte {
	return wasm(types(signature(nil, nil)), functions(0), table, exports(export("run", 0, 0)), code(body(noLocals, instructions...)))
}

// TestStartIsMetered has a start function that never ends.
func TestStartIsMetered(t *testing.T) {
	t.Parallel()
	m := rewrite(t, wasm(types(signature(nil, nil)), functions(0), start(0), code(body(noLocals, 0x03, void, 0x0c, 0, 0x0b))))
	if !m.Start {
		t.Error("Start is false")
	}
	if _, err := newGuest(t, m, 1000); !errors.Is(err, errStop) {
		t.Errorf("%v, want that the host stops it", err)
	}
}

func nops(n int) []byte { return bytes.Repeat([]byte{0x01}, n) }

// longIf has a way that is longer than what is paid for at once, and one past it.
var longIf = single([]byte{i32}, []byte{i32}, noLocals, nops(5000), 0x20, 0, 0x04, void, nops(12_000), 0x0b, nops(5000), 0x20, 0)

// TestPrice holds what running costs against the instructions that run, counted by hand.
func TestPrice(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		module   []byte
		arg      uint64
		low, top int64
	}{
		{"loop", sumLoop, 1000, 1000*9 + 1, 1000*11 + 20},
		{"calls", fib, 10, 177*3 + 88*9, 177 * 20},
		{"the longer way of two", single([]byte{i32}, []byte{i32}, noLocals,
			0x20, 0, 0x04, i32, 0x41, 1, 0x05, bytes.Repeat([]byte{0x01}, 90), 0x41, 2, 0x0b), 0, 94, 110},
		{"only one way of ten", single([]byte{i32}, []byte{i32}, noLocals,
			0x02, void, 0x02, void, 0x20, 0, 0x0e, vec([]byte{0}), 1, 0x0b, // br_table
			bytes.Repeat([]byte{0x01}, 50), 0x41, 1, 0x0f, 0x0b, // block 0 returns
			bytes.Repeat([]byte{0x01}, 50), 0x41, 2), 1, 54, 75},
		{"a loop's rest", single([]byte{i32}, []byte{i32}, noLocals,
			bytes.Repeat([]byte{0x01}, 100), 0x03, void, 0x02, void, 0x20, 0, 0x0d, 0, 0x0c, 1, 0x0b, 0x0b, bytes.Repeat([]byte{0x01}, 100), 0x20, 0), 1, 205, 225},
		{"a long way in parts", single([]byte{i32}, []byte{i32}, noLocals, nops(45_000), 0x20, 0), 0, 45_001, 45_050},
		{"a long if, taken", longIf, 1, 22_000, 22_100},
		{"a long if, passed by", longIf, 0, 10_000, 20_100},
		{"a long way out of a loop", single([]byte{i32}, []byte{i32}, noLocals,
			0x02, void, nops(6000), 0x03, void, nops(12_000), 0x20, 0, 0x0d, 1, 0x0b, nops(6000), 0x0b, nops(6000), 0x20, 0), 1, 24_000, 30_100},
		{"a long way round a loop", single([]byte{i32}, []byte{i32}, noLocals,
			0x03, void, nops(12_000), 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x20, 0), 10, 120_000, 120_300},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			const budget = 1 << 40
			g, err := newGuest(t, rewrite(t, test.module), budget)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := g.run(test.arg); err != nil {
				t.Fatal(err)
			}
			if used := budget - g.left - g.fuel(); used < test.low || used > test.top {
				t.Errorf("%d of fuel used, want %d to %d", used, test.low, test.top)
			}
			if short := slices.Min(g.asked); short < -meter.MaxSegment {
				t.Errorf("%d units are paid for at once", -short)
			}
		})
	}
}

// TestHostAddsDepth: a host that is asked below zero of depth adds some, which goes again with the frames.
func TestHostAddsDepth(t *testing.T) {
	t.Parallel()
	r := newRuntime(t)
	var m api.Module
	asked := 0
	provideRefill(t, r, func(short int64) int64 {
		if m != nil && int64(m.ExportedGlobal(depthName).Get()) < 0 {
			asked++
			resetDepth(m, 1000)
		}
		return 1_000_000
	})
	m = instantiate(t, r, rewrite(t, fib).Binary)
	for range 2 {
		asked = 0
		resetDepth(m, 1000)
		result, err := m.ExportedFunction("run").Call(context.Background(), 20)
		if err != nil || result[0] != 6765 {
			t.Fatalf("%v, %v", result, err)
		}
		if depth := m.ExportedGlobal(depthName).Get(); depth != 1000 || asked == 0 {
			t.Errorf("depth is %d afterwards, and the host was asked %d times", int64(depth), asked)
		}
	}
}

// TestGrowthThatFails does not charge for what cannot be: an allocator that probes how much
// it gets must not lose its budget by that.
func TestGrowthThatFails(t *testing.T) {
	t.Parallel()
	g, err := newGuest(t, rewrite(t, single(nil, []byte{i32}, noLocals, 0x41, sleb(-1), 0x40, 0)), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if result, err := g.run(); err != nil || int32(result[0]) != -1 {
		t.Errorf("%d, %v, want -1", result, err)
	}
}

// recursion is a module whose function calls itself for ever, with more parameters, locals and operands on
// the way as live values.
func recursion(params, live int, valueType byte, load []byte, zero ...any) []byte {
	types := signature(bytes.Repeat([]byte{valueType}, params), []byte{valueType})
	var on []byte
	for i := range params {
		on = join(on, 0x20, uleb(uint64(i)))
	}
	var values, drops []byte
	for range live {
		values = join(values, 0x41, 0, load, 0, 0)
		drops = join(drops, 0x24, 0)
	}
	return wasm(section(1, vec(types)), functions(0), memory(0, 1), globals(join(valueType, 1, join(zero...), 0x0b)), exports(export("run", 0, 0)),
		code(body(noLocals, values, on, 0x10, 0, 0x24, 0, drops, 0x23, 0)))
}

// TestDepth runs endless recursions of slim and fat frames: each must end by the depth, with a small stack.
func TestDepth(t *testing.T) {
	for _, test := range []struct {
		name   string
		module []byte
	}{
		{"no frame to speak of", recursion(0, 0, i32, []byte{0x28}, 0x41, 0)},
		{"1 parameter", recursion(1, 0, i64, []byte{0x29}, 0x42, 0)},
		{"100 parameters", recursion(100, 0, i64, []byte{0x29}, 0x42, 0)},
		{"10 live values", recursion(1, 10, i64, []byte{0x29}, 0x42, 0)},
		{"1,000 live values", recursion(3, 1000, i32, []byte{0x28}, 0x41, 0)},
		{"500 live doubles", recursion(3, 500, f64, []byte{0x2b}, 0x44, 0, 0, 0, 0, 0, 0, 0, 0)},
		{"500 live vectors", recursion(3, 500, v128, []byte{0xfd, 0}, 0xfd, 12, make([]byte, 16))},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, err := newGuest(t, rewrite(t, test.module), 1<<40)
			if err != nil {
				t.Fatal(err)
			}
			run := g.module.ExportedFunction("run")
			args := make([]uint64, max(1, len(run.Definition().ParamTypes()))*2)
			resetDepth(g.module, 4<<20)
			grown := residentGrowth(t, func() { err = run.CallWithStack(context.Background(), args) })
			if g.depth() >= 0 {
				t.Fatalf("depth is %d after %v", g.depth(), err)
			}
			if err == nil || !strings.Contains(err.Error(), "unreachable") {
				t.Errorf("%v, want that it traps", err)
			}
			t.Logf("resident memory grew by %d KiB", grown>>10)
			if most := int64(16 << 20); grown >= most && !raceDetector {
				t.Errorf("resident memory grew by %d bytes, want less than %d", grown, most)
			}
			if _, err := run.Call(context.Background(), args[:len(run.Definition().ParamTypes())]...); err == nil {
				t.Error("a second call without resetting the depth succeeds")
			}
		})
	}
}

// residentGrowth returns by how much memory f lets the process grow at most.
func residentGrowth(t *testing.T, f func()) int64 {
	t.Helper()
	peak := func() int64 {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Skipf("resident memory cannot be read: %v", err)
		}
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		line, _, _ := strings.Cut(rest, "kB")
		n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil {
			t.Skipf("resident memory cannot be read: %v", err)
		}
		return n << 10
	}
	runtime.GC()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skipf("the peak of resident memory cannot be reset: %v", err)
	}
	before := peak()
	f()
	return peak() - before
}

// TestDepthIsGivenBack calls functions that leave in every way.
func TestDepthIsGivenBack(t *testing.T) {
	t.Parallel()
	// The function at index 1 leaves in four ways; a call in it makes it account for its frame.
	call := []any{0x10, 2}
	leaves := join(0x41, 7, join(call...),
		0x02, void, 0x02, void, 0x02, void, 0x02, void, 0x20, 0, 0x0e, vec([]byte{0}, []byte{1}, []byte{2}), 3, 0x0b,
		0x41, 1, 0x0f, 0x0b, // return
		0x41, 2, 0x0c, 2, 0x0b, // br to the function
		0x41, 3, 0x41, 1, 0x0d, 1, 0x1a, 0x0b, // br_if to the function
		0x41, 4, 0x20, 0, 0x41, 3, 0x46, 0x0e, vec([]byte{0}), 0) // br_table to the function
	module := wasm(types(signature([]byte{i32}, []byte{i32}), signature([]byte{i32}, nil)), functions(0, 0, 1), exports(export("run", 0, 0)), code(
		body(noLocals, 0x20, 0, 0x10, 1),
		body(noLocals, leaves),
		body(noLocals)))
	g, err := newGuest(t, rewrite(t, module), 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	for way := range uint64(5) {
		result, err := g.run(way)
		if err != nil {
			t.Fatal(err)
		}
		if want := min(way+1, 4); result[0] != want {
			t.Errorf("way %d: %d, want %d", way, result[0], want)
		}
		if g.depth() != 4<<20 {
			t.Errorf("way %d: depth is %d afterwards, want %d", way, g.depth(), 4<<20)
		}
	}
}

// TestHostSeesFuel: a host function sees how much fuel is left, and may take some.
func TestHostSeesFuel(t *testing.T) {
	t.Parallel()
	module := wasm(types(signature(nil, nil), signature([]byte{i32}, nil)), imports(join(str("env"), str("work"), 0, 0)), functions(1), exports(export("run", 0, 1)),
		code(body(noLocals,
			0x03, void, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, // a loop, so that the fuel is in a local
			0x10, 0)))
	r := newRuntime(t)
	provideRefill(t, r, func(short int64) int64 { return 1_000_000 + short })
	var seen uint64
	_, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, m api.Module, _ []uint64) {
		fuel := m.ExportedGlobal(fuelName).(api.MutableGlobal)
		seen = fuel.Get()
		fuel.Set(seen - 500_000)
	}), nil, nil).Export("work").Instantiate(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.InstantiateWithConfig(context.Background(), rewrite(t, module).Binary, wazero.NewModuleConfig())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ExportedFunction("run").Call(context.Background(), 1000); err != nil {
		t.Fatal(err)
	}
	if seen > 1_000_000-7000 || seen < 1_000_000-8100 {
		t.Errorf("the host sees %d, want 1,000 iterations less than 1,000,000", seen)
	}
	if left := m.ExportedGlobal(fuelName).Get(); left != seen-500_000 {
		t.Errorf("%d is left, want %d", left, seen-500_000)
	}
}

// TestGlobals reads and writes every mutable global through the exports that were added.
func TestGlobals(t *testing.T) {
	t.Parallel()
	m := rewrite(t, wasm(
		types(signature(nil, []byte{i64})), functions(0),
		globals(join(i32, 0, 0x41, 1, 0x0b), join(i64, 1, 0x42, 2, 0x0b), join(f32, 1, 0x43, 0, 0, 0, 0, 0x0b)),
		exports(export("run", 0, 0), export("mine", 3, 1)),
		code(body(noLocals, 0x23, 1))))
	if len(m.Globals) != 2 || m.Globals[0].Type != meter.I64 || m.Globals[1].Type != meter.F32 || m.OpaqueGlobals || !m.Resettable() {
		t.Fatalf("%+v", m)
	}
	g, err := newGuest(t, m, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, global := range m.Globals {
		g.module.ExportedGlobal(global.Export).(api.MutableGlobal).Set(7)
	}
	if result, err := g.run(); err != nil || result[0] != 7 {
		t.Errorf("%d, %v, want 7", result, err)
	}
}
