package guest

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"time"
)

// measure reports the fastest of the calls of f, which a busy machine changes least, beside the mean.
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

// missing is a plugin of chained loads, each of which misses the caches: so many of them, again and again.
func missing(loads int) []byte {
	const size, stride = 32 << 20, 64 * 16411
	m := plugin()
	m.min = size / pageSize
	m.abi()
	// Each line of 64 bytes names the one that is a stride from it.
	m.function(initExport, ":i", 1, ops(
		loop, void,
		get(0), get(0), i32(stride), add, i32(size-1), 0x71, store32, 2, 0,
		get(0), i32(stride), add, i32(size-1), 0x71, localTee, uleb(0), brIf, 0,
		end, i32(0)))
	m.function("on_request", ":i", 1, ops(forever(ops(get(0), bytes.Repeat(ops(load32, 2, 0), loads), set(0))), i32(0)))
	return m.build()
}

// BenchmarkOverrun is how long after its deadline a guest is stopped.
func BenchmarkOverrun(b *testing.B) {
	for name, binary := range map[string][]byte{
		"misses":          missing(100),
		"misses-straight": missing(45_000),
		"loop":            onRequest(forever(nil), i32(0)),
		"recursion":       exponential(100),
		"imports":         onRequest(forever(ops(i32(0), call(fInputLen), drop)), i32(0)),
		"fill":            onRequest(forever(ops(i32(0), i32(1), i32(60000), 0xfc, 11, 0)), i32(0)),
	} {
		b.Run(name, func(b *testing.B) {
			const deadline = 50 * time.Millisecond
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
