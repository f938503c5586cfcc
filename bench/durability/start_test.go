package durability

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BenchmarkStart starts a gateway on journals of several sizes, and measures how long that takes until it answers that it is ready. What the journals hold has
// all been written in the last minutes, so that every nonce is still remembered; a killed gateway's have a WAL, too.
func BenchmarkStart(b *testing.B) {
	for _, jobs := range []int{0, 10_000, 100_000} {
		for _, killed := range []bool{false, true} {
			if jobs == 0 && killed {
				continue
			}
			b.Run(fmt.Sprintf("jobs=%d/killed=%v", jobs, killed), func(b *testing.B) { benchmarkStart(b, jobs, killed) })
		}
	}
}

func benchmarkStart(b *testing.B, jobs int, killed bool) {
	s := newSite(b, layout{executor: "concurrency: 64"})
	image := filepath.Join(s.dir, "image")
	must(b, os.Mkdir(image, 0o700))
	if jobs > 0 {
		j := openBulk(b, image)
		must(b, j.take(b.Context(), 0, jobs))
		if killed { // what is on disk now is what a kill would leave
			copyDir(b, image+".killed", image)
		}
		must(b, j.Close())
		if killed {
			image += ".killed"
		}
	}
	var memory float64
	var times []time.Duration
	for range b.N {
		must(b, os.RemoveAll(s.state))
		copyDir(b, s.state, image)
		began := time.Now()
		p := s.start(b)
		s.await(b, p)
		for s.get(b.Context(), s.admin, "/readyz") != nil {
			time.Sleep(time.Millisecond)
		}
		times = append(times, time.Since(began))
		memory = max(memory, resident(b, p.cmd.Process.Pid))
		p.kill()
	}
	least, sum := times[0], time.Duration(0)
	for _, t := range times {
		least, sum = min(least, t), sum+t
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(sum.Milliseconds())/float64(len(times)), "ms/start")
	b.ReportMetric(float64(least.Milliseconds()), "ms/fastest")
	b.ReportMetric(memory, "MiB")
	if info, err := os.Stat(filepath.Join(image, "journal.db")); err == nil {
		b.ReportMetric(float64(info.Size())/(1<<20), "MiB/journal")
	}
}

// resident is the memory of a process, in MiB.
func resident(t testing.TB, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kib float64
	_, err = fmt.Sscan(rest, &kib)
	must(t, err)
	return kib / 1024
}
