package journal

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"
)

// benchLeaf is about as long as a leaf of the audit is.
var benchLeaf = bytes.Repeat([]byte("0123456789abcdef"), 40)

// reportLatencies reports quantiles in microseconds.
func reportLatencies(b *testing.B, took []time.Duration) {
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50-µs", 0.5}, {"p99-µs", 0.99}} {
		b.ReportMetric(float64(took[int(q.at*float64(len(took)-1))])/1e3, q.name)
	}
}

// processorTime is what the process has used of the processors. On a machine that does other things too it tells more than the clock.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAdmit measures durability point A with an ordinary leaf beside the cost that no journal can avoid: appending 4 KiB to a file and fsyncing it, in
// the same run and directory. Compare 1 with fsync, by p50: the target is not more than twice as long. 64 reports accepted jobs per second: the target is
// 20,000. The others say what is in that: begun is points A and B in one with a leaf of each, bare is without leaves.
func BenchmarkAdmit(b *testing.B) {
	b.Run("fsync", benchmarkFsync)
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			benchmarkAdmit(b, callers, func(a *Admission) { a.Leaves = [][]byte{benchLeaf} })
		})
	}
	b.Run("64/begun", func(b *testing.B) {
		benchmarkAdmit(b, 64, func(a *Admission) { a.Begin, a.Leaves = true, [][]byte{benchLeaf, benchLeaf} })
	})
	b.Run("64/bare", func(b *testing.B) { benchmarkAdmit(b, 64, func(*Admission) {}) })
}

// realAdmission is one as a gateway makes them: nonces are random, IDs begin with the time.
func realAdmission() Admission {
	now := time.Now()
	a := admission(fmt.Sprintf("%013x-%s", now.UnixMicro(), rand.Text()[:22]))
	a.Nonce.SignedAt, a.Nonce.Expires = now, now.Add(10*time.Minute)
	if _, err := rand.Read(a.Nonce.Value[:]); err != nil {
		panic(err)
	}
	a.Job.AcceptedAt, a.Job.Expires, a.At = now, now.Add(time.Hour), now
	return a
}

func benchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	must(b, err)
	defer f.Close()
	page := make([]byte, 4096)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		must(b, f.Sync())
		took = append(took, time.Since(start))
	}
	reportLatencies(b, took)
}

func benchmarkAdmit(b *testing.B, callers int, with func(*Admission)) {
	j := openTest(b, b.TempDir())
	var (
		left  atomic.Int64
		mu    sync.Mutex
		took  []time.Duration
		group sync.WaitGroup
	)
	left.Store(int64(b.N))
	before, cpu := j.Stats().Commits, processorTime()
	b.ResetTimer()
	for range callers {
		group.Go(func() {
			var mine []time.Duration
			for left.Add(-1) >= 0 {
				a := realAdmission()
				with(&a)
				start := time.Now()
				if err := j.Admit(b.Context(), a); err != nil {
					b.Error(err)
					return
				}
				mine = append(mine, time.Since(start))
			}
			mu.Lock()
			took = append(took, mine...)
			mu.Unlock()
		})
	}
	group.Wait()
	b.StopTimer()
	reportLatencies(b, took)
	b.ReportMetric(float64((processorTime()-cpu).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "admits/s")
	b.ReportMetric(float64(b.N)/float64(j.Stats().Commits-before), "admits/commit")
}

// BenchmarkLife measures a whole job in the journal, from A to D with a leaf of each, with 64 at a time.
func BenchmarkLife(b *testing.B) {
	j := openTest(b, b.TempDir())
	var (
		left  atomic.Int64
		group sync.WaitGroup
	)
	left.Store(int64(b.N))
	cpu := processorTime()
	b.ResetTimer()
	for range 64 {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				must(b, live(b, j, rand.Text()))
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64((processorTime()-cpu).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// live takes a job from A to D.
func live(b *testing.B, j *Journal, id string) error {
	a, o := admission(id), outcome(id)
	a.Begin, a.Leaves = true, [][]byte{benchLeaf, benchLeaf}
	o.Leaf = func(Output) ([]byte, error) { return benchLeaf, nil }
	return errors.Join(j.Admit(b.Context(), a), j.Finish(b.Context(), o),
		j.Settle(b.Context(), Settlement{DeliveryID: o.Callback.DeliveryID, Attempt: 1, State: Delivered, StatusCode: 200, At: epoch.Add(time.Minute), Leaf: benchLeaf}))
}

// BenchmarkLeaf measures what a leaf costs within a commit of many: storing it and its hashes. The target is 4 µs.
func BenchmarkLeaf(b *testing.B) {
	for _, n := range []int{1, leavesAtOnce} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			j := openTest(b, b.TempDir())
			leaves, err := newLeaves(slices.Repeat([][]byte{benchLeaf}, n)...)
			must(b, err)
			var cpu time.Duration
			must(b, j.writer.do(b.Context(), op{name: "append", run: func(st *statements) error {
				b.ResetTimer()
				cpu = processorTime()
				for done := 0; done < b.N; done += n {
					if err := st.appendLeaves(leaves); err != nil {
						return err
					}
				}
				b.StopTimer()
				cpu = processorTime() - cpu
				return nil
			}}))
			b.ReportMetric(float64(cpu.Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
		})
	}
	b.Run("hash", func(b *testing.B) {
		for b.Loop() {
			tlog.RecordHash(benchLeaf)
		}
	})
}

// BenchmarkAudit measures reading and rebuilding the whole tree, and one proof with its check, with 100,000 leaves.
func BenchmarkAudit(b *testing.B) {
	const size = 100_000
	j := openTest(b, b.TempDir())
	for range size / 1000 {
		must(b, j.Record(b.Context(), slices.Repeat([][]byte{benchLeaf}, 1000)...))
	}
	root, err := tlog.TreeHash(size, j)
	must(b, err)
	b.Run("rebuild", func(b *testing.B) {
		for b.Loop() {
			log, err := j.AuditLog(b.Context())
			must(b, err)
			var t tree
			var hashes int
			for l, err := range log.Leaves() {
				must(b, err)
				t.add(tlog.RecordHash(l.Data), nil)
			}
			for _, err := range log.Hashes() {
				must(b, err)
				hashes++
			}
			if t.size != size || int64(hashes) != tlog.StoredHashCount(size) {
				b.Fatal(t.size, hashes)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/size, "µs/leaf")
	})
	b.Run("prove", func(b *testing.B) {
		for seq := int64(0); b.Loop(); seq = (seq + 7919) % size {
			p, err := tlog.ProveRecord(size, seq, j)
			must(b, err)
			must(b, tlog.CheckRecord(p, size, root, seq, tlog.RecordHash(benchLeaf)))
		}
	})
}

// BenchmarkOpen measures the start of a gateway with 100,000 ended jobs in its journal: open, and read what recovery needs. The target is half a second.
// After a crash, what is stored is counted too.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	j, err := Open(b.Context(), testConfig(dir))
	must(b, err)
	fill(b, j, 100_000)
	must(b, j.Close())
	b.Run("closed", func(b *testing.B) { benchmarkOpen(b, dir, "UPDATE meta SET beat = beat + 1") })
	b.Run("crashed", func(b *testing.B) { benchmarkOpen(b, dir, "UPDATE meta SET stored = NULL") })
}

func benchmarkOpen(b *testing.B, dir, before string) {
	var cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		db, err := sql.Open("sqlite", writerDSN(filepath.Join(dir, fileName), full))
		must(b, err)
		_, err = db.Exec(before)
		must(b, errors.Join(err, db.Close()))
		cpu -= processorTime()
		b.StartTimer()
		j, err := Open(b.Context(), testConfig(dir))
		must(b, err)
		_, _, err = j.Nonces(b.Context())
		must(b, err)
		_, err = j.Running(b.Context())
		must(b, err)
		_, err = j.Waiting(b.Context())
		must(b, err)
		cpu += processorTime()
		must(b, j.Close())
	}
	b.ReportMetric(float64(cpu.Microseconds())/1e3/float64(b.N), "cpu-ms/op")
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
				must(b, live(b, j, fmt.Sprintf("%08d", i)))
			}
		})
	}
	group.Wait()
}

// BenchmarkSpool measures an end with a long output, and how much memory that takes.
func BenchmarkSpool(b *testing.B) {
	j := openTest(b, b.TempDir())
	const size = 10 << 20
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		o := outcome(inState(b, j, Running))
		o.Stdout = Stream{Content: long{size: size}, Bytes: size}
		b.StartTimer()
		must(b, j.Finish(b.Context(), o))
	}
}
