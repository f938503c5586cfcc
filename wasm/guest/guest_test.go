package guest

import (
	"context"
	"errors"
	"testing"
)

func mustLoad(t testing.TB, c Config) *Plugin {
	t.Helper()
	if c.Name == "" {
		c.Name = "test"
	}
	p, err := Load(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func mustConfigure(t testing.TB, c Config, config string) *Pool {
	t.Helper()
	pool, err := mustLoad(t, c).Configure(t.Context(), []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// kindOf is the kind of failure that err is, or "".
func kindOf(err error) Kind {
	var f *Failure
	if errors.As(err, &f) {
		return f.Kind
	}
	return ""
}

func TestEcho(t *testing.T) {
	t.Parallel()
	p := mustLoad(t, Config{Binary: echo()})
	if got := p.Phases(); len(got) != 3 {
		t.Fatalf("phases %v", got)
	}
	pool, err := p.Configure(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var x Exchange
	for _, message := range []string{`{"command":"a"}`, `{}`, `{"command":"bb"}`} {
		for _, phase := range p.Phases() {
			x.Message = []byte(message)
			v, err := pool.Call(t.Context(), phase, &x)
			if err != nil || v != Continue || string(x.NewMessage) != message || !x.MessageReplaced {
				t.Fatalf("%s: %v %v %q", phase, v, err, x.NewMessage)
			}
			if x.Fuel <= 0 || x.Memory != pageSize {
				t.Errorf("fuel %d memory %d", x.Fuel, x.Memory)
			}
		}
	}
}

// TestAllocations: a call that finds an idle instance allocates nothing on the host.
func TestAllocations(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates")
	}
	fields := plugin().abi()
	fields.text(0, `/env/LANG`)
	fields.text(16, `"C"`)
	fields.function("on_request", ":i", 0,
		i32(0), i32(9), i32(100), i32(50), call(fFieldGet), drop,
		i32(0), i32(9), i32(16), i32(3), call(fFieldSet))
	for name, binary := range map[string][]byte{"message": echo(), "fields": fields.build()} {
		pool := mustConfigure(t, Config{Binary: binary}, "null")
		x := Exchange{Message: []byte(`{"command":"ls","env":{"LANG":"de"}}`)}
		ctx := t.Context()
		call := func() {
			if _, err := pool.Call(ctx, Request, &x); err != nil || !x.MessageReplaced {
				t.Error(err)
			}
		}
		for range 3 {
			call()
		}
		if n := testing.AllocsPerRun(200, call); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
