package guest

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sidegate/sidegate/wasm/meter"
)

// BenchmarkCall is one call with a message of 1 KiB, for a plugin as small as C makes them and for one in Go: in
// native Go, in wazero as it comes, with its own way to interrupt, metered, and metered with
// reset. "best" is the fastest call, which a busy machine changes least.
func BenchmarkCall(b *testing.B) {
	message := []byte(`{"command":"git status","argv":null,"workdir":"` + strings.Repeat("w", 974) + `"}`)
	for _, g := range []struct {
		name   string
		binary []byte
		native func(in, out []byte) []byte
	}{
		{"c", echo(), func(in, out []byte) []byte { return append(out, in...) }},
		{"go", goGuest(b), func(in, out []byte) []byte {
			s := string(append([]byte(nil), in...))
			return append(out, []byte(strings.ReplaceAll(s, "git", "echo git"))...)
		}},
	} {
		b.Run(g.name+"/native", func(b *testing.B) {
			var out []byte
			measure(b, func() { out = g.native(message, out[:0]) })
		})
		b.Run(g.name+"/plain", func(b *testing.B) { benchmarkBare(b, g.binary, message, false) })
		b.Run(g.name+"/close-on-context-done", func(b *testing.B) { benchmarkBare(b, g.binary, message, true) })
		for _, persistent := range []bool{true, false} {
			name := "/metered-reset"
			if persistent {
				name = "/metered"
			}
			b.Run(g.name+name, func(b *testing.B) {
				c := goConfig(b)
				c.Binary, c.Persistent = g.binary, persistent
				pool := mustConfigure(b, c, "null")
				x := Exchange{Message: message}
				measure(b, func() {
					if _, err := pool.Call(b.Context(), Request, &x); err != nil {
						b.Fatal(err)
					}
				})
				b.ReportMetric(float64(x.Fuel), "fuel")
			})
		}
	}
}

func measure(b *testing.B, f func()) {
	best := time.Hour
	f()
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		f()
		best = min(best, time.Since(start))
	}
	b.ReportMetric(float64(best.Nanoseconds()), "best-ns")
}

// benchmarkBare runs the module as its author built it, with the imports of this package and no limits.
func benchmarkBare(b *testing.B, binary, message []byte, interruptible bool) {
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
	in := &instance{plugin: p, pool: &Pool{config: []byte("null")}, paths: map[string]string{}}
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

// BenchmarkReset is setting a memory back of which 16 pages have been written, in the three ways there are.
func BenchmarkReset(b *testing.B) {
	for _, size := range []int{64 << 10, 128 << 10, 512 << 10, 2 << 20, 16 << 20} {
		image, err := newImage(bytes.Repeat([]byte{1}, size))
		if err != nil {
			b.Fatal(err)
		}
		defer image.close()
		m, err := reserve(int64(size))
		if err != nil {
			b.Fatal(err)
		}
		defer m.Free()
		m.Reallocate(uint64(size))
		if err := image.install(m); err != nil {
			b.Fatal(err)
		}
		for _, way := range []struct {
			name  string
			reset func() error
		}{
			{"copy", func() error { copy(m.space, image.data); return nil }},
			{"give-up", func() error { return image.giveUp(m) }},
			{"written", func() error { return image.restoreWritten(m, pagemap()) }},
		} {
			b.Run(fmt.Sprintf("%s/%dKiB", way.name, size>>10), func(b *testing.B) {
				if err := image.giveUp(m); err != nil {
					b.Fatal(err)
				}
				measure(b, func() {
					for i := range 16 {
						m.space[i*size/16]++
					}
					if err := way.reset(); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}

// BenchmarkLoad is making a plugin ready: compiled, or found in the cache, and configured.
func BenchmarkLoad(b *testing.B) {
	for name, binary := range map[string][]byte{"c": echo(), "go": goGuest(b)} {
		for _, warm := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/warm=%v", name, warm), func(b *testing.B) {
				c := goConfig(b)
				c.Name, c.Binary = name, binary
				if !warm {
					c.CacheDir = ""
				}
				measure(b, func() {
					p, err := Load(b.Context(), c)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := p.Configure(b.Context(), nil); err != nil {
						b.Fatal(err)
					}
					if err := p.Close(b.Context()); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}

// BenchmarkCollector runs the garbage collector beside guests that spin on every processor. What it reports is the longest that
// the collector waited for the world to stop, as the runtime counts it: a slice, and what a busy machine adds.
func BenchmarkCollector(b *testing.B) {
	pool := mustConfigure(b, Config{Binary: onRequest(forever(nil), i32(0)), Limits: Limits{Fuel: 1 << 50, Deadline: time.Hour}}, "null")
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() { _, _ = pool.Call(ctx, Request, &Exchange{}) })
	}
	sample := []metrics.Sample{{Name: "/sched/pauses/stopping/gc:seconds"}}
	metrics.Read(sample)
	before := slices.Clone(sample[0].Value.Float64Histogram().Counts)
	for b.Loop() {
		runtime.GC()
	}
	metrics.Read(sample)
	cancel()
	wg.Wait()
	h := sample[0].Value.Float64Histogram()
	var total, seen uint64
	for i := range h.Counts {
		h.Counts[i] -= before[i]
		total += h.Counts[i]
	}
	for i, n := range h.Counts {
		if seen < total/2+1 && seen+n >= total/2+1 {
			b.ReportMetric(h.Buckets[i]*1e6, "median-stop-µs")
		}
		if seen += n; n > 0 && seen == total {
			b.ReportMetric(h.Buckets[i]*1e6, "worst-stop-µs")
		}
	}
}

// BenchmarkOverrun is how long after its deadline a guest is stopped.
func BenchmarkOverrun(b *testing.B) {
	for name, binary := range map[string][]byte{
		"loop":      onRequest(forever(nil), i32(0)),
		"recursion": exponential(100),
		"imports":   onRequest(forever(ops(i32(0), call(fInputLen), drop)), i32(0)),
		"fill":      onRequest(forever(ops(i32(0), i32(1), i32(60000), 0xfc, 11, 0)), i32(0)),
	} {
		b.Run(name, func(b *testing.B) {
			const deadline = 5 * time.Millisecond
			pool := mustConfigure(b, Config{Binary: binary, Limits: Limits{Fuel: 1 << 50, Deadline: deadline}}, "null")
			var over []time.Duration
			for b.Loop() {
				start := time.Now()
				if _, err := pool.Call(b.Context(), Request, &Exchange{}); kindOf(err) != KindDeadline {
					b.Fatal(err)
				}
				over = append(over, time.Since(start)-deadline)
			}
			slices.Sort(over)
			b.ReportMetric(float64(over[0].Microseconds()), "best-over-µs")
			b.ReportMetric(float64(over[len(over)/2].Microseconds()), "median-over-µs")
			b.ReportMetric(float64(over[len(over)-1].Microseconds()), "worst-over-µs")
		})
	}
}
