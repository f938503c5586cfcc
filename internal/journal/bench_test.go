package journal

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkAdmit measures durability point A beside the cost that no journal can avoid: appending 4 KiB to a file and fsyncing it, in the same run and
// directory. Compare Admit/1 with fsync; Admit/64 reports accepted jobs per second.
func BenchmarkAdmit(b *testing.B) {
	b.Run("fsync", benchmarkFsync)
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) { benchmarkAdmit(b, callers) })
	}
}

func benchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	must(b, err)
	defer f.Close()
	page := make([]byte, 4096)
	for b.Loop() {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		must(b, f.Sync())
	}
}

func benchmarkAdmit(b *testing.B, callers int) {
	j := openTest(b, b.TempDir())
	var left atomic.Int64
	left.Store(int64(b.N))
	before := j.Stats().Commits
	b.ResetTimer()
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				a := admission(rand.Text())
				if err := j.Admit(b.Context(), a); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "admits/s")
	b.ReportMetric(float64(b.N)/float64(j.Stats().Commits-before), "admits/commit")
}

// BenchmarkOpen measures the start of a gateway with 100,000 ended jobs in its journal: open, and read what recovery needs.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	j, err := Open(b.Context(), testConfig(dir))
	must(b, err)
	fill(b, j, 100_000)
	must(b, j.Close())
	b.ResetTimer()
	for b.Loop() {
		j, err := Open(b.Context(), testConfig(dir))
		must(b, err)
		_, _, err = j.Nonces(b.Context())
		must(b, err)
		_, err = j.Running(b.Context())
		must(b, err)
		_, err = j.Waiting(b.Context())
		must(b, err)
		must(b, j.Close())
	}
}

// fill stores n ended jobs with delivered callbacks, many at a time.
func fill(b *testing.B, j *Journal, n int) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var group sync.WaitGroup
	for range 256 {
		group.Go(func() {
			for i := left.Add(-1); i >= 0; i = left.Add(-1) {
				id := fmt.Sprintf("%08d", i)
				a := admission(id)
				a.Begin = true
				must(b, j.Admit(b.Context(), a))
				must(b, j.Finish(b.Context(), outcome(id)))
				must(b, j.Settle(b.Context(), Settlement{DeliveryID: "c-" + id, Attempt: 1, State: Delivered, StatusCode: 200, At: epoch.Add(time.Minute)}))
			}
		})
	}
	group.Wait()
}
