package guest

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

func deepPool(t *testing.T) *Pool {
	c := goConfig(t)
	c.Binary = built(t, buildDeep)
	return mustConfigure(t, c, "null")
}

// TestGoRecurses lets a guest in Go recurse through the standard library, as deep as a message may be and deeper.
func TestGoRecurses(t *testing.T) {
	t.Parallel()
	pool := deepPool(t)
	objects := strings.Repeat(`{"a":[`, 500) + strings.Repeat(`]}`, 500)
	groups := strings.Repeat("(a|b", 200) + strings.Repeat(")", 200)
	for phase, c := range map[Phase]struct {
		x               Exchange
		message, stdout string
	}{
		Request:  {Exchange{Message: []byte(objects)}, objects, ""},
		Response: {Exchange{Stdout: []byte("cab"), Stderr: []byte(groups)}, "", "a"},
		Callback: {Exchange{Message: make([]byte, 1000)}, "1000", ""},
	} {
		for range 2 { // the second call has the stack that the first made
			if _, err := pool.Call(t.Context(), phase, &c.x); err != nil || string(c.x.NewMessage) != c.message || string(c.x.NewStdout) != c.stdout {
				t.Fatalf("%s: %v, %q, %q", phase, err, c.x.NewMessage, c.x.NewStdout)
			}
		}
	}
}

// recursing is a plugin whose functions call themselves without end, with so many values on the stack, after first.
func recursing(m *module, values int, first ...any) []byte {
	var loads []byte
	for i := range values {
		loads = ops(loads, load(4*i))
	}
	for _, p := range phases {
		f := len(m.imports) + len(m.functions)
		m.function(p.export, ":i", 0, ops(first...), loads, call(f), bytes.Repeat([]byte{add}, values))
	}
	return m.build()
}

// overestimated adds a function that calls itself as often as its parameter says. Its frame is small, and estimated at 32 KiB.
func overestimated(m *module) (f int) {
	f = len(m.imports) + len(m.functions)
	return m.function("", "i:i", 1,
		i32(0), bytes.Repeat(ops(load(0), add), 2000), set(1),
		i32(0), get(1), store32, 2, 0,
		get(0), eqz, ifOp, void, i32(0), ret, end,
		get(0), i32(1), sub, call(f))
}

// TestStackIsGivenBack goes deeper than the estimates allow, twice, and looks at what is left of the stack afterwards.
func TestStackIsGivenBack(t *testing.T) {
	t.Parallel()
	m := plugin().abi()
	f := overestimated(m)
	m.function("on_request", ":i", 0, i32(100), call(f), drop, i32(100), call(f))
	pool := mustConfigure(t, Config{Binary: m.build()}, "null")
	if _, err := pool.Call(t.Context(), Request, &Exchange{}); err != nil {
		t.Fatalf("%v: is the stack of wazero's compiler not where it was?", err)
	}
	if left := pool.idle[0].depth.Get(); left != stackBytes {
		t.Errorf("%d bytes are left, want %d", int64(left), stackBytes)
	}
}

func TestUnknownStack(t *testing.T) {
	t.Parallel()
	if used, ok := (&instance{}).usedStack(make([]uint64, 1)); ok {
		t.Errorf("%d bytes of a stack that is not known", used)
	}
}

// hoarding goes deeper than the estimates allow at each level of its recursion, and back.
func hoarding() []byte {
	m := plugin().abi()
	f := overestimated(m)
	return recursing(m, 1000, i32(100), call(f), drop)
}

// TestRecursionMemory holds the native stack of a runaway recursion to its bound. Stacks that the collector has not freed yet,
// if one such call follows another, are not counted.
func TestRecursionMemory(t *testing.T) {
	guest := func(binary []byte) func(*testing.T) *Pool {
		return func(t *testing.T) *Pool {
			return mustConfigure(t, Config{Binary: binary, Limits: Limits{Deadline: time.Minute}}, "null")
		}
	}
	for _, c := range []struct {
		name string
		pool func(*testing.T) *Pool
	}{
		{"slim", guest(recursing(plugin().abi(), 0))},
		{"wide", guest(recursing(plugin().abi(), 1000))},
		{"hoarding", guest(hoarding())},
		{"go", deepPool},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := c.pool(t)
			var x Exchange
			grown := residentGrowth(t, func() {
				if _, err := pool.Call(t.Context(), Callback, &x); kindOf(err) != KindDepth {
					t.Error(err)
				}
			})
			grown -= x.Memory // which has a limit of its own
			t.Logf("resident memory grew by %d KiB", grown>>10)
			if grown >= 16<<20 && !underRace {
				t.Errorf("resident memory grew by %d bytes", grown)
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
			t.Skipf("resident memory cannot be read or reset here: %v", err)
		}
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		line, _, _ := strings.Cut(rest, "kB")
		n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil {
			t.Skipf("resident memory cannot be read or reset here: %v", err)
		}
		return n << 10
	}
	runtime.GC()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skipf("resident memory cannot be read or reset here: %v", err)
	}
	before := peak()
	f()
	return peak() - before
}
