package guest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/wasm/meter"
)

// recursion calls itself without end, in a function with so many locals.
func recursion(locals int) []byte {
	m := plugin().abi()
	f := len(m.imports) + len(m.functions)
	m.function("on_request", ":i", locals, call(f), i32(1), add)
	return m.build()
}

// exponential calls itself twice at each of so many levels, without a loop.
func exponential(levels int) []byte {
	m := plugin().abi()
	f := len(m.imports) + len(m.functions)
	m.function("", "i:i", 0,
		get(0), eqz, ifOp, void, i32(0), ret, end,
		get(0), i32(1), sub, call(f), get(0), i32(1), sub, call(f), add)
	m.function("on_request", ":i", 0, i32(levels), call(f))
	return m.build()
}

func importing(module, name, signature string, code func(f int) []byte) []byte {
	m := plugin()
	f := m.importing(module, name, signature)
	m.abi()
	m.function("on_request", ":i", 0, code(f))
	return m.build()
}

// hostile are plugins that are stopped, with the name of what stops them. A few milliseconds of deadline
// and a fuel limit that no test reaches by accident make it one cause each.
var hostile = map[string]struct {
	binary []byte
	limits Limits
	kind   Kind
}{
	"infinite loop by fuel":     {onRequest(forever(nil), i32(0)), Limits{Fuel: 10_000_000, Deadline: time.Minute}, KindFuel},
	"infinite loop by deadline": {onRequest(forever(nil), i32(0)), Limits{Fuel: 1 << 50, Deadline: 30 * time.Millisecond}, KindDeadline},
	"loop of imports":           {onRequest(forever(ops(i32(0), call(fInputLen), drop)), i32(0)), Limits{Fuel: 1 << 50, Deadline: 30 * time.Millisecond}, KindDeadline},
	"fill of all memory": {onRequest(i32(1000), memoryGrow, 0, drop, forever(ops(i32(0), i32(1), i32(65_000_000), 0xfc, 11, 0)), i32(0)),
		Limits{Fuel: 1 << 50, Deadline: 50 * time.Millisecond}, KindDeadline},
	"deep recursion":        {recursion(0), Limits{Fuel: 1 << 50, Deadline: time.Minute}, KindDepth},
	"deep recursion, wide":  {recursion(2000), Limits{Fuel: 1 << 50, Deadline: time.Minute}, KindDepth},
	"exponential recursion": {exponential(100), Limits{Fuel: 1 << 50, Deadline: 30 * time.Millisecond}, KindDeadline},
	"exponential by fuel":   {exponential(100), Limits{Fuel: 10_000_000, Deadline: time.Minute}, KindFuel},
	"memory bomb": {onRequest(forever(ops(i32(16), memoryGrow, 0, i32(-1), ne, eqz, ifOp, void, unreachable, end)), i32(0)),
		Limits{Deadline: time.Minute}, KindMemory},
	"grow, then trap": {onRequest(i32(4), memoryGrow, 0, drop, unreachable), Limits{}, KindTrap},
	"output bomb":     {onRequest(forever(ops(i32(0), i32(0), i32(65536), call(fOutputWrite), drop)), i32(0)), Limits{Deadline: time.Minute}, KindOutputLimit},
	"output bomb by fields": {func() []byte {
		m := plugin().abi()
		m.text(0, `/x`)
		m.text(16, `"`+strings.Repeat("y", 1000)+`"`)
		m.text(2000, `/-`)
		m.function("on_request", ":i", 0, forever(ops(i32(2000), i32(2), i32(16), i32(1002), call(fFieldSet), drop)), i32(0))
		return m.build()
	}(), Limits{Output: 64 << 10, Deadline: time.Minute}, KindOutputLimit},
	"log bomb":          {onRequest(forever(ops(i32(1), i32(0), i32(100), call(fLog))), i32(0)), Limits{Deadline: time.Minute}, KindLogLimit},
	"empty log lines":   {onRequest(forever(ops(i32(1), i32(0), i32(0), call(fLog))), i32(0)), Limits{Deadline: time.Minute}, KindLogLimit},
	"one huge log line": {onRequest(i32(1), i32(0), i32(65536), call(fLog), i32(0)), Limits{}, KindLogLimit},
	"trap":              {onRequest(unreachable), Limits{}, KindTrap},
	"wrong number":      {onRequest(i32(3)), Limits{}, KindABI},
	"negative number":   {onRequest(i32(-1)), Limits{}, KindABI},
	"proc_exit":         {importing(wasiModule, "proc_exit", "i:", func(f int) []byte { return ops(i32(0), call(f), i32(0)) }), Limits{}, KindExit},
	"random bomb": {importing(wasiModule, "random_get", "ii:i", func(f int) []byte {
		return ops(forever(ops(i32(0), i32(65536), call(f), drop)), i32(0))
	}), Limits{Fuel: 10_000_000, Deadline: time.Minute}, KindFuel},
	"sleep": {importing(wasiModule, "poll_oneoff", "iiii:i", func(f int) []byte {
		return ops(store(24, -1), store(28, 0), i32(0), i32(64), i32(1), i32(128), call(f))
	}), Limits{Deadline: 30 * time.Millisecond}, KindDeadline},
	"stdout bomb": {importing(wasiModule, "fd_write", "iiii:i", func(f int) []byte {
		return ops(store(0, 64), store(4, 30000), i32(1), i32(0), i32(1), i32(16), call(f))
	}), Limits{}, KindLogLimit},
}

func TestHostile(t *testing.T) {
	t.Parallel()
	for name, h := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := mustConfigure(t, Config{Binary: h.binary, Limits: h.limits}, "null")
			for range 2 { // the second call shows that the pool has not suffered
				x := Exchange{Message: []byte(`[]`)}
				start := time.Now()
				_, err := pool.Call(t.Context(), Request, &x)
				took := time.Since(start)
				if kindOf(err) != h.kind {
					t.Fatalf("got %v, want %s", err, h.kind)
				}
				if x.NewMessage != nil || x.MessageReplaced || x.Reason != "" {
					t.Errorf("a failed call left output: %+v", x)
				}
				if strings.ContainsAny(err.Error(), "\n\x1b") {
					t.Errorf("more than one line: %q", err)
				}
				if h.kind == KindDeadline {
					t.Logf("overran its deadline by %v", took-h.limits.Deadline)
				}
			}
		})
	}
}

func TestHostileInit(t *testing.T) {
	t.Parallel()
	short := Limits{Fuel: 1 << 50, Deadline: 30 * time.Millisecond}
	for name, c := range map[string]struct {
		build  func(m *module)
		limits Limits
		kind   Kind
	}{
		"init traps":        {func(m *module) { m.function(initExport, ":i", 0, unreachable) }, Limits{}, KindTrap},
		"init spins":        {func(m *module) { m.function(initExport, ":i", 0, forever(nil), i32(0)) }, short, KindDeadline},
		"init burns fuel":   {func(m *module) { m.function(initExport, ":i", 0, forever(nil), i32(0)) }, Limits{Fuel: 1e6, Deadline: time.Minute}, KindFuel},
		"_initialize traps": {func(m *module) { m.function(startExport, ":", 0, unreachable) }, Limits{}, KindTrap},
		"start spins":       {func(m *module) { m.start = uleb(m.function("", ":", 0, forever(nil))) }, short, KindDeadline},
		"start traps":       {func(m *module) { m.start = uleb(m.function("", ":", 0, unreachable)) }, Limits{}, KindTrap},
		"start logs without end": {func(m *module) {
			m.start = uleb(m.function("", ":", 0, forever(ops(i32(0), i32(0), i32(9), call(fLog)))))
		}, Limits{}, KindLogLimit},
		"start bombs memory": {func(m *module) {
			m.start = uleb(m.function("", ":", 0, forever(ops(i32(99), memoryGrow, 0, i32(-1), ne, eqz, ifOp, void, unreachable, end))))
		}, Limits{}, KindMemory},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := plugin().abi()
			m.function("on_request", ":i", 0, i32(0))
			c.build(m)
			p := mustLoad(t, Config{Binary: m.build(), Limits: c.limits})
			_, err := p.Configure(t.Context(), nil)
			var f *Failure
			if !errors.As(err, &f) || f.Kind != c.kind || f.Phase != Init {
				t.Errorf("got %v, want %s", err, c.kind)
			}
		})
	}
}

// TestBadPointers calls every import with pointers and lengths that are not inside memory. One module calls the
// import whose number is the length of the message.
func TestBadPointers(t *testing.T) {
	t.Parallel()
	for pattern, bad := range map[string][2]int64{
		"all ones": {-1, -1}, "past the end": {65535, 65535}, "one past the end": {65536, 65536}, "wrapping": {-65536, 65540},
	} {
		m := &module{min: 1}
		m.exporting("memory", 2, 0)
		var modules, names []string
		for _, module := range []string{abiModule, wasiModule} {
			for _, name := range slices.Sorted(maps.Keys(hostFunctions[module])) {
				m.importing(module, name, signatureText(hostFunctions[module][name]))
				modules, names = append(modules, module), append(names, name)
			}
		}
		m.abi()
		length := slices.Index(names, "input_len")
		var code []byte
		for i, name := range names {
			code = ops(code, i32(0), call(length), i32(i), ne, eqz, ifOp, void, badCall(i, name, hostFunctions[modules[i]][name], bad), end)
		}
		m.function("on_request", ":i", 0, code, i32(0))
		pool := mustConfigure(t, Config{Binary: m.build(), Limits: Limits{Deadline: time.Minute},
			Fetch: func(context.Context, FetchRequest) (FetchResponse, error) { return FetchResponse{}, nil }}, "null")
		for i, name := range names {
			want := KindTrap
			switch many := uint32(bad[0]) > maxVectors; {
			case name == "proc_exit":
				want = KindExit
			case modules[i] == wasiModule && !pointed[name], name == "input_len":
				want = ""
			case many && (name == "poll_oneoff" || name == "fd_write"):
				want = "" // refused for the count
			}
			_, err := pool.Call(t.Context(), Request, &Exchange{Message: make([]byte, i)})
			if kindOf(err) != want {
				t.Errorf("%s, %s: got %v, want kind %q", name, pattern, err, want)
			}
		}
	}
}

// badCall calls function i with the bad numbers in turn.
func badCall(i int, name string, f hostFunction, bad [2]int64) []byte {
	var code []byte
	for n, p := range f.signature.Params {
		v := bad[n%2]
		if n == 0 && (name == "fd_write" || strings.HasPrefix(name, "clock")) {
			v = 1 // a descriptor or clock that exists
		}
		if p == meter.I64 {
			code = ops(code, i64(v))
		} else {
			code = ops(code, i32(int(int32(v))))
		}
	}
	code = ops(code, call(i))
	if len(f.signature.Results) > 0 {
		code = ops(code, drop)
	}
	return code
}

// pointed are the functions of WASI that use pointers; the others only answer.
var pointed = map[string]bool{"clock_time_get": true, "clock_res_get": true, "random_get": true, "fd_write": true,
	"fd_fdstat_get": true, "args_sizes_get": true, "environ_sizes_get": true, "poll_oneoff": true}

func signatureText(f hostFunction) string {
	var b strings.Builder
	for _, t := range f.signature.Params {
		b.WriteByte(map[bool]byte{true: 'I', false: 'i'}[t == meter.I64])
	}
	b.WriteByte(':')
	for range f.signature.Results {
		b.WriteByte('i')
	}
	return b.String()
}

func TestLargeModule(t *testing.T) {
	t.Parallel()
	_, err := Load(t.Context(), Config{Name: "big", Binary: make([]byte, 100<<20)})
	if !errors.As(err, new(*LoadError)) || !strings.Contains(err.Error(), "104857600 bytes") {
		t.Error(err)
	}
}

func TestDamagedModules(t *testing.T) {
	t.Parallel()
	whole := echo()
	for n := range whole {
		if _, err := Load(t.Context(), Config{Name: "cut", Binary: whole[:n]}); !errors.As(err, new(*LoadError)) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

// FuzzLoad damages modules: what still loads must keep to its limits.
func FuzzLoad(f *testing.F) {
	f.Add(echo())
	for _, h := range hostile {
		f.Add(h.binary)
	}
	f.Fuzz(func(t *testing.T, binary []byte) {
		p, err := Load(t.Context(), Config{Name: "fuzz", Binary: binary, Limits: Limits{
			Fuel: 200_000, Deadline: 100 * time.Millisecond, Memory: 1 << 20, Module: 1 << 16, Output: 1 << 16}})
		if err != nil {
			if !errors.As(err, new(*LoadError)) {
				t.Fatal(err)
			}
			return
		}
		defer p.Close(context.Background())
		pool, err := p.Configure(t.Context(), nil)
		if err != nil {
			return
		}
		var x Exchange
		for range 2 {
			for _, phase := range p.Phases() {
				x.Message = []byte(`{"env":{}}`)
				_, err := pool.Call(t.Context(), phase, &x)
				if err != nil && kindOf(err) == "" {
					t.Fatal(err)
				}
			}
		}
	})
}
