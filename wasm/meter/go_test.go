package meter_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/sidegate/sidegate/wasm/meter"
)

var goGuest struct {
	once   sync.Once
	module []byte
	err    string
}

// buildGo compiles testdata/guest, once.
func buildGo(tb testing.TB) []byte {
	tb.Helper()
	if testing.Short() {
		tb.Skip("compiling a Go guest takes a while")
	}
	goGuest.once.Do(func() {
		dir, err := os.MkdirTemp("", "meter")
		if err != nil {
			goGuest.err = err.Error()
			return
		}
		defer os.RemoveAll(dir)
		file := filepath.Join(dir, "guest.wasm")
		cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", file, "main.go")
		cmd.Dir = filepath.Join("testdata", "guest")
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			goGuest.err = string(out)
			return
		}
		goGuest.module, err = os.ReadFile(file)
		if err != nil {
			goGuest.err = err.Error()
		}
	})
	if goGuest.err != "" {
		tb.Skipf("the Go command does not build a WebAssembly module: %s", goGuest.err)
	}
	return goGuest.module
}

// startGo instantiates a Go guest, metered or not.
func startGo(tb testing.TB, module []byte, metered bool) api.Module {
	tb.Helper()
	config := wazero.NewRuntimeConfigCompiler()
	if raceDetector {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	r := newRuntimeOf(tb, config)
	if _, err := wasi_snapshot_preview1.Instantiate(context.Background(), r); err != nil {
		tb.Fatal(err)
	}
	if metered {
		provideRefill(tb, r, func(short int64) int64 { return 1<<22 + short })
		module = rewrite(tb, module).Binary
	}
	m, err := r.InstantiateWithConfig(context.Background(), module, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// transform sends a message through the guest.
func transform(tb testing.TB, m api.Module, message string) string {
	tb.Helper()
	ctx := context.Background()
	at, err := m.ExportedFunction("buffer").Call(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	m.Memory().WriteString(uint32(at[0]), message)
	n, err := m.ExportedFunction("transform").Call(ctx, uint64(len(message)))
	if err != nil {
		tb.Fatal(err)
	}
	out, _ := m.Memory().Read(uint32(at[0]), uint32(n[0]))
	return string(out)
}

// TestGo compares a guest in Go as it is and metered, on messages that take different ways.
func TestGo(t *testing.T) {
	t.Parallel()
	module := buildGo(t)
	plain, metered := startGo(t, module, false), startGo(t, module, true)
	nested := strings.Repeat(`{"a":[`, 20) + strings.Repeat(`]}`, 20)
	for _, message := range []string{
		`{}`, `{"b":1.5e3,"a":[true,null,"é\n"]}`, `{"broken":`, nested,
		`{"long":"` + strings.Repeat("x", 20_000) + `"}`,
	} {
		resetDepth(metered, 4<<20)
		want, got := transform(t, plain, message), transform(t, metered, message)
		if want != got {
			t.Errorf("%.60s: plain %.200s, metered %.200s", message, want, got)
		}
		if depth := int64(metered.ExportedGlobal(depthName).Get()); depth != 4<<20 {
			t.Errorf("%.60s: depth is %d afterwards", message, depth)
		}
	}
}

// BenchmarkGo is a message of 1 KiB through the Go guest.
func BenchmarkGo(b *testing.B) {
	module := buildGo(b)
	message := `{"text":"` + strings.Repeat("x", 1000) + `"}`
	for _, metered := range []bool{false, true} {
		b.Run(map[bool]string{false: "plain", true: "metered"}[metered], func(b *testing.B) {
			m := startGo(b, module, metered)
			for b.Loop() {
				if metered {
					resetDepth(m, 4<<20)
				}
				transform(b, m, message)
			}
		})
	}
}

// BenchmarkRewrite meters a module of 3 MB.
func BenchmarkRewrite(b *testing.B) {
	module := buildGo(b)
	b.SetBytes(int64(len(module)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := meter.Rewrite(module, meter.Config{}); err != nil {
			b.Fatal(err)
		}
	}
}
