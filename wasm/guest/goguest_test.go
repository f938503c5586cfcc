package guest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// buildGo builds the guest in Go that most tests use, and buildDeep the one that recurses, once for a run of the tests.
var (
	buildGo   = sync.OnceValues(func() ([]byte, error) { return buildGuest("goguest") })
	buildDeep = sync.OnceValues(func() ([]byte, error) { return buildGuest("deepguest") })
)

func buildGuest(name string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "sidegate-guest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./testdata/"+name)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, errors.New(string(text))
	}
	return os.ReadFile(out)
}

// underRace is set where the race detector is on.
var underRace bool

func goGuest(t testing.TB) []byte {
	t.Helper()
	return built(t, buildGo)
}

func built(t testing.TB, build func() ([]byte, error)) []byte {
	t.Helper()
	if underRace {
		t.Skip("compiling a guest in Go takes a minute under the race detector; other guests show the same races")
	}
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// goCache is shared, because compiling guests in Go takes seconds.
var goCache = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "sidegate-cache") })

func goConfig(t testing.TB) Config {
	t.Helper()
	dir, err := goCache()
	if err != nil {
		t.Fatal(err)
	}
	return Config{Binary: goGuest(t), CacheDir: dir}
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := goCache(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func TestGoGuest(t *testing.T) {
	pool := mustConfigure(t, goConfig(t), `{"realm":"x"}`)
	x := Exchange{Message: []byte(`{"command":"git status"}`)}
	for range 20 {
		v, err := pool.Call(t.Context(), Request, &x)
		if err != nil || v != Continue || string(x.NewMessage) != `{"command":"echo git status"}` {
			t.Fatalf("%v %v %q", v, err, x.NewMessage)
		}
	}
	x.Message = []byte(`{"status":"exited","annotations":{}}`)
	if _, err := pool.Call(t.Context(), Response, &x); err != nil || string(x.NewMessage) != `{"status":"exited","annotations":{"seen":"yes"}}` {
		t.Fatalf("%v %q", err, x.NewMessage)
	}
}

func TestGoGuestMisbehaves(t *testing.T) {
	c := goConfig(t)
	c.Limits.Fuel = 1 << 31
	var first string
	c.Log = func(_ Level, line string) {
		if first == "" {
			first = line
		}
	}
	pool := mustConfigure(t, c, "")
	for message, kind := range map[string]Kind{"panic": KindTrap, "spin": KindFuel, "bomb": KindMemory} {
		x := Exchange{Message: []byte(message)}
		_, err := pool.Call(t.Context(), Request, &x)
		if k := kindOf(err); k != kind && !(kind == KindFuel && k == KindDeadline) {
			t.Errorf("%s: %v, want %s", message, err, kind)
		}
		t.Logf("%v; fuel %d", err, x.Fuel)
	}
	if first != "panic: asked to" && !strings.HasPrefix(first, "runtime: out of memory") {
		t.Errorf("the runtime's report was not logged: %q", first)
	}
	if _, err := mustLoad(t, goConfig(t)).Configure(t.Context(), []byte(`"refuse"`)); !errors.As(err, new(*RefusedError)) {
		t.Errorf("refused configuration: %v", err)
	}
}
