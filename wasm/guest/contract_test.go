package guest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		binary func() []byte
		want   string // in the error
	}{
		"empty":     {func() []byte { return nil }, "not a module"},
		"text":      {func() []byte { return []byte("(module)") }, "not a module"},
		"component": {func() []byte { return []byte("\x00asm\x0d\x00\x01\x00") }, "not a module"},
		"no phase":  {func() []byte { return plugin().abi().build() }, "none of on_request, on_response and on_callback"},
		"no marker": {func() []byte {
			m := plugin()
			m.function("on_request", ":i", 0, i32(0))
			return m.build()
		}, "does not export sidegate_abi_v1"},
		"misspelt marker": {func() []byte {
			m := plugin()
			m.function("sidegate_abi_1", ":", 0)
			return m.build()
		}, "did you mean sidegate_abi_v1?"},
		"misspelt phase": {func() []byte {
			m := plugin().abi()
			m.function("on_requests", ":i", 0, i32(0))
			return m.build()
		}, "exports on_requests, which means nothing (did you mean on_request?)"},
		"phase in camel case": {func() []byte {
			m := plugin().abi()
			m.function("onRequest", ":i", 0, i32(0))
			return m.build()
		}, "it exports onRequest: call it on_request"},
		"phase of another type": {func() []byte {
			m := plugin().abi()
			m.function("on_request", "i:i", 0, i32(0))
			return m.build()
		}, "its export on_request is (i32) -> (i32), but must be () -> (i32)"},
		"phase is a memory": {func() []byte {
			m := plugin().abi()
			m.exporting("on_request", 2, 0)
			return m.build()
		}, "its export on_request is a memory, not a function"},
		"command": {func() []byte {
			m := plugin().abi()
			m.function("_start", ":", 0)
			return m.build()
		}, "it exports _start"},
		"no memory": {func() []byte {
			m := &module{min: -1}
			m.abi().function("on_request", ":i", 0, i32(0))
			return m.build()
		}, "does not export its memory"},
		"memory is a function": {func() []byte {
			m := &module{min: 1}
			m.abi().function("memory", ":", 0)
			return m.build()
		}, `its export "memory" is a function`},
		"memory too large": {func() []byte {
			m := plugin()
			m.min = 2000
			m.abi().function("on_request", ":i", 0, i32(0))
			return m.build()
		}, "raise the plugin's memory limit"},
		"imports memory": {func() []byte {
			m := &module{min: -1}
			m.imports = append(m.imports, ops(named("env"), named("memory"), 2, 0, 1))
			return m.build()
		}, "imports the memory env.memory"},
		"imports a misspelt function": {func() []byte { return importing(abiModule, "output_writ", "iii:i", nothing) },
			"did you mean output_write?"},
		"imports nonsense": {func() []byte { return importing(abiModule, "exec", "i:", nothing) },
			"imports sidegate.exec, which does not exist"},
		"imports with another type": {func() []byte { return importing(abiModule, "input_len", "I:i", nothing) },
			"imports sidegate.input_len as (i64) -> (i32), but it is (i32) -> (i32)"},
		"imports env.abort":      {func() []byte { return importing("env", "abort", "iiii:", nothing) }, "--use abort="},
		"imports another module": {func() []byte { return importing("wasi_unstable", "fd_write", "iiii:i", nothing) }, "build for WASI preview 1"},
		"imports from the meter": {func() []byte { return importing("sidegate_meter", "refill", "I:I", nothing) }, "sidegate_meter"},
		"not granted":            {func() []byte { return importing(abiModule, fetchImport, "iiii:i", nothing) }, "has not been granted"},
		"invalid code":           {func() []byte { return onRequest(i64(0)) }, "does not compile"},
		"hostile names": {func() []byte { return importing("a\nb\x1b[2J", strings.Repeat("x", 1000), ":", nothing) },
			`there is no module a\nb\u001b[2J`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(t.Context(), Config{Name: "p", Binary: c.binary()})
			if !errors.As(err, new(*LoadError)) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 500 {
				t.Errorf("error of %d bytes is not one printable line: %q", len(err.Error()), err)
			}
		})
	}
}

func nothing(int) []byte { return i32(0) }

func TestConfigRefused(t *testing.T) {
	t.Parallel()
	if _, err := Load(t.Context(), Config{Binary: echo()}); err == nil || errors.As(err, new(*LoadError)) {
		t.Errorf("without a name: %v", err)
	}
	for name, limits := range map[string]Limits{
		"memory":      {Memory: 1},
		"fuel":        {Fuel: 1<<50 + 1},
		"deadline":    {Deadline: time.Microsecond},
		"output":      {Output: -1},
		"log":         {Log: 1 << 31},
		"concurrency": {Concurrency: -1},
		"module":      {Module: 65 << 20},
	} {
		var wrong *LimitError
		if _, err := Load(t.Context(), Config{Name: "p", Limits: limits}); !errors.As(err, &wrong) || wrong.Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVerdicts holds what each phase may return and write.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	run := func(phase Phase, code ...any) (*Exchange, Verdict, error) {
		m := plugin().abi()
		m.text(0, "out")
		m.text(16, "no\ntoken\xff")
		for _, p := range phases {
			m.function(p.export, ":i", 0, code...)
		}
		x := &Exchange{Message: []byte(`{"a":1}`), Stdout: []byte("before")}
		v, err := mustConfigure(t, Config{Binary: m.build()}, "null").Call(t.Context(), phase, x)
		return x, v, err
	}
	write := func(kind int) []byte { return ops(i32(kind), i32(0), i32(3), call(fOutputWrite), drop) }
	deny := ops(i32(401), i32(16), i32(9), call(fFail))

	x, v, err := run(Request, deny, i32(1))
	if err != nil || v != Deny || x.Code != 401 || x.Reason != `no\ntoken`+"\ufffd" {
		t.Errorf("deny: %v %v %d %q", v, err, x.Code, x.Reason)
	}
	if x, v, _ = run(Request, i32(418), i32(16), i32(2), call(fFail), i32(1)); v != Deny || x.Code != 403 {
		t.Errorf("other code: %v %d", v, x.Code)
	}
	if x, v, _ = run(Request, i32(1)); v != Deny || x.Code != 403 || x.Reason != "" {
		t.Errorf("deny without fail: %v %d %q", v, x.Code, x.Reason)
	}
	if x, v, _ = run(Request, deny, i32(0)); v != Continue || x.Reason != "" || x.Code != 0 {
		t.Errorf("fail and continue: %v %+v", v, x)
	}
	if x, v, _ = run(Request, write(3), write(3), write(4), i32(2)); v != Answer || string(x.NewStdout) != "outout" || string(x.NewStderr) != "out" {
		t.Errorf("answer: %v %q %q", v, x.NewStdout, x.NewStderr)
	}
	if x, v, _ = run(Request, write(3), i32(0)); v != Continue || x.StdoutReplaced {
		t.Errorf("output of a request that continues: %v %q", v, x.NewStdout)
	}
	if x, v, _ = run(Response, i32(3), i32(0), i32(0), call(fOutputWrite)); v != Continue || !x.StdoutReplaced || x.StderrReplaced || len(x.NewStdout) != 0 {
		t.Errorf("emptied output: %v %+v", v, x)
	}
	for _, phase := range []Phase{Response, Callback} {
		for verdict := 1; verdict <= 2; verdict++ {
			if _, _, err = run(phase, i32(verdict)); kindOf(err) != KindABI {
				t.Errorf("%s: verdict %d: %v", phase, verdict, err)
			}
		}
	}
	if x, _, err = run(Callback, i32(3), i32(0), i32(3), call(fOutputWrite), i32(1), sub); err != nil || x.StdoutReplaced {
		t.Errorf("a callback wrote output: %v", err) // the errno is KIND, 1
	}
	p := mustLoad(t, Config{Binary: onRequest(i32(0))})
	pool, err := p.Configure(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, phase := range []Phase{Response, Init, "nonsense"} {
		if _, err := pool.Call(t.Context(), phase, &Exchange{}); err != ErrPhase {
			t.Errorf("phase %s: %v", phase, err)
		}
	}
}

// TestConfiguration gives each pool its own configuration, through sidegate_init and afterwards.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	m := plugin().abi()
	// It keeps the first byte of its configuration at 0 during init, and returns the message's errno there, which
	// must be KIND; refuses "no"; a call writes what init kept.
	m.text(64, "bad\x07value")
	m.function(initExport, ":i", 0,
		i32(1), i32(0), i32(0), i32(1), call(fInputRead), drop,
		i32(0), call(fInputLen), i32(-1), ne, ifOp, void, unreachable, end,
		i32(403), i32(64), i32(9), call(fFail),
		load(0), i32('9'), ne, eqz)
	m.function("on_request", ":i", 0, i32(0), i32(0), i32(1), call(fOutputWrite))
	p := mustLoad(t, Config{Binary: m.build()})
	var pools []*Pool
	for _, config := range []string{"1", "2"} {
		pool, err := p.Configure(t.Context(), []byte(config))
		if err != nil {
			t.Fatal(err)
		}
		pools = append(pools, pool)
	}
	for range 3 {
		for i, want := range []string{"1", "2"} {
			var x Exchange
			if _, err := pools[i].Call(context.Background(), Request, &x); err != nil || string(x.NewMessage) != want {
				t.Errorf("%q %v, want %s", x.NewMessage, err, want)
			}
		}
	}
	var refused *RefusedError
	if _, err := p.Configure(t.Context(), []byte("9")); !errors.As(err, &refused) || refused.Reason != `bad\u0007value` {
		t.Errorf("refused: %v", err)
	}
}
