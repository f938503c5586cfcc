package executor

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// BenchmarkTrue compares Run with plain os/exec of the same program.
func BenchmarkTrue(b *testing.B) {
	job := command(b, "true")
	b.Run("exec", func(b *testing.B) {
		for b.Loop() {
			cmd := exec.Command(job.Program.Path)
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("run-in-workdir", func(b *testing.B) {
		r := newRunner(b, nil)
		job := job
		job.Workdir = "/"
		benchmark(b, r, job)
	})
	b.Run("run-in-private", func(b *testing.B) { benchmark(b, newRunner(b, nil), job) })
	b.Run("run-as-other", func(b *testing.B) {
		needsRoot(b)
		benchmark(b, newRunner(b, func(c *Config) { c.User = other }), job)
	})
}

// BenchmarkCapture compares a command that prints 100 MiB, of which some or all is kept, with the same command and `| cat > /dev/null`: in turns, as the
// median of the ratios of their throughput.
func BenchmarkCapture(b *testing.B) {
	const size = 100 << 20
	for _, keep := range []int64{inMemory, 1 << 20, 10 << 20, size} {
		b.Run(fmt.Sprintf("keep-%dKiB", keep>>10), func(b *testing.B) {
			r := newRunner(b, nil)
			job := command(b, "head", "-c", strconv.Itoa(size), "/dev/zero")
			job.MaxOutput = keep
			var ours, theirs, ratios []float64
			for b.Loop() {
				start := time.Now()
				cat := exec.Command("/bin/sh", "-c", "head -c 104857600 /dev/zero | cat > /dev/null")
				cat.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // like a job: the kernel shares out the processors among sessions
				if err := cat.Run(); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				res, err := r.Run(b.Context(), job)
				end := time.Now()
				if err != nil || res.StdoutBytes != size {
					b.Fatal(res, err)
				}
				res.Close()
				theirs = append(theirs, middle.Sub(start).Seconds())
				ours = append(ours, end.Sub(middle).Seconds())
				ratios = append(ratios, theirs[len(theirs)-1]/ours[len(ours)-1])
			}
			b.ReportMetric(size>>20/median(ours), "MiB/s")
			b.ReportMetric(size>>20/median(theirs), "cat-MiB/s")
			b.ReportMetric(median(ratios), "of-cat")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

func benchmark(b *testing.B, r *Runner, job Job) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		res, err := r.Run(b.Context(), job)
		if err != nil || res.ExitCode != 0 {
			b.Fatal(res, err)
		}
		res.Close()
	}
}
