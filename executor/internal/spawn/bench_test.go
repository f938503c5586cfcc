package spawn

import (
	"slices"
	"syscall"
	"testing"
	"time"
)

// BenchmarkTrue measures a child from its start to its reaping, against Go's own fork of the same program. The median counts: a few children always meet
// something else that the machine does.
func BenchmarkTrue(b *testing.B) {
	plain := command(b, "true")
	null := plain.Stdio[0].Fd()
	b.Run("ForkExec", func(b *testing.B) {
		median(b, func() {
			pid, err := syscall.ForkExec(plain.Executable.Name(), plain.Argv, &syscall.ProcAttr{Env: plain.Env, Files: []uintptr{null, null, null}})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
				b.Fatal(err)
			}
		})
	})
	for name, start := range ways(b) {
		for _, tc := range []struct {
			name string
			spec *Spec
		}{{"nothing", plain}, {"confined", confined(b, "true")}, {"namespaces", namespaced(b, "true")}} {
			b.Run(name+"/"+tc.name, func(b *testing.B) {
				median(b, func() {
					c, err := start(tc.spec)
					if err != nil {
						b.Fatal(err)
					}
					c.Done.Close()
					if _, err := syscall.Wait4(c.PID, nil, 0, nil); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}

// median reports the median time of f as p50-µs.
func median(b *testing.B, f func()) {
	b.Helper()
	b.ReportAllocs()
	var times []time.Duration
	for b.Loop() {
		began := time.Now()
		f()
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
}
