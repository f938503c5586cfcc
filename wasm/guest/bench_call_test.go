package guest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sidegate/sidegate/sdk"
	"github.com/sidegate/sidegate/wasm/meter"
)

// BenchmarkCall is a message of 1 KiB through the SDK's template in each language, and through an echo as small as C makes
// them: in native Go, in wazero as it comes, with its own way to interrupt, metered, metered with reset, and the last
// five times in a chain. "best" is the fastest, which a busy machine changes least.
func BenchmarkCall(b *testing.B) {
	message := []byte(`{"command":"git status","argv":null,"workdir":"` + strings.Repeat("w", 930) + `","env":{},"labels":{},"callback":null}`)
	const config = `{"word":"forbidden","label":"reviewed"}`
	b.Run("native", func(b *testing.B) { measure(b, func() { label(b, message, "forbidden", "reviewed") }) })
	for _, language := range append(sdk.Languages(), "echo") {
		b.Run(language, func(b *testing.B) {
			c := goConfig(b)
			if c.Binary = echo(); language != "echo" {
				c.Binary = template(b, language)
			}
			b.Run("plain", func(b *testing.B) { benchmarkBare(b, c.Binary, message, config, false) })
			b.Run("close-on-context-done", func(b *testing.B) { benchmarkBare(b, c.Binary, message, config, true) })
			b.Run("metered", func(b *testing.B) {
				c := c
				c.Persistent = true
				benchmarkPools(b, c, config, 1, message)
			})
			b.Run("metered-reset", func(b *testing.B) { benchmarkPools(b, c, config, 1, message) })
			b.Run("metered-reset-five", func(b *testing.B) { benchmarkPools(b, c, config, 5, message) })
		})
	}
}

// label does in native Go what the templates do.
func label(b *testing.B, message []byte, word, label string) []byte {
	var m map[string]any
	if err := json.Unmarshal(message, &m); err != nil {
		b.Fatal(err)
	}
	if strings.Contains(m["command"].(string), word) {
		b.Fatal("denied")
	}
	m["labels"].(map[string]any)["seen-by"] = label
	out, err := json.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// benchmarkPools passes a message through so many plugins, one after the other.
func benchmarkPools(b *testing.B, c Config, config string, n int, message []byte) {
	var pools []*Pool
	for range n {
		pools = append(pools, mustConfigure(b, c, config))
	}
	var x Exchange
	measure(b, func() {
		x.Message = message
		for _, pool := range pools {
			if _, err := pool.Call(b.Context(), Request, &x); err != nil {
				b.Fatal(err)
			}
			x.Message = x.NewMessage
		}
	})
	b.ReportMetric(float64(x.Fuel), "fuel")
}

// template builds a new plugin in a language with its own build file.
func template(b *testing.B, language string) []byte {
	b.Helper()
	dir := b.TempDir()
	files, err := sdk.Files(language, "bench")
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, f.Data, 0o644)); err != nil {
			b.Fatal(err)
		}
	}
	switch language {
	case "c":
		if _, err := exec.LookPath("wasm-ld"); err != nil {
			b.Skip("clang and lld are not installed")
		}
	case "assemblyscript":
		modules, err := filepath.Abs("../../bin/assemblyscript/node_modules")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := os.Stat(modules); err != nil {
			b.Skip("the AssemblyScript compiler is not installed; make sdk does it")
		}
		if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
			b.Fatal(err)
		}
	}
	build := exec.Command("make", "-o", "node_modules", "bench.wasm")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "MAKEFLAGS=", "GOOS=", "GOARCH=")
	if text, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, text)
	}
	binary, err := os.ReadFile(filepath.Join(dir, "bench.wasm"))
	if err != nil {
		b.Fatal(err)
	}
	return binary
}

// benchmarkBare runs the module as its author built it, with the imports of this package and no limits.
func benchmarkBare(b *testing.B, binary, message []byte, configuration string, interruptible bool) {
	ctx := context.Background()
	metered, err := meter.Rewrite(binary, meter.Config{})
	if err != nil {
		b.Fatal(err)
	}
	p := &Plugin{config: Config{Name: "bare", Limits: Limits{Fuel: 1 << 60, Output: 1 << 20}}, metered: metered}
	p.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(interruptible))
	defer p.runtime.Close(ctx)
	if err := p.provide(ctx); err != nil {
		b.Fatal(err)
	}
	compiled, err := p.runtime.CompileModule(ctx, binary)
	if err != nil {
		b.Fatal(err)
	}
	in := &instance{plugin: p, pool: &Pool{config: []byte(configuration)}, paths: map[string]string{}}
	caller, cancel := context.WithCancel(ctx)
	defer cancel()
	in.begin(caller, now()+time.Hour, Request, nil)
	in.creation = ctx
	if in.module, err = p.runtime.InstantiateModule(in, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions()); err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{startExport, initExport} {
		if f := in.module.ExportedFunction(name); f != nil {
			if _, err := f.Call(in); err != nil {
				b.Fatal(err)
			}
		}
	}
	in.creation = nil
	var f api.Function = in.module.ExportedFunction("on_request")
	x := Exchange{Message: message}
	measure(b, func() {
		x.begin()
		in.begin(caller, in.deadline, Request, &x)
		if err := f.CallWithStack(in, in.result[:]); err != nil {
			b.Fatal(err)
		}
		in.deliver()
		in.writes, in.document = [5]*[]byte{}, nil // not end: wazero's watcher may still look at the context
	})
}
