package executor

import (
	"bytes"
	"os/exec"
	"testing"
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

// BenchmarkCapture compares reading 100 MiB, most of it dropped or all of it kept, with a pipe to cat.
func BenchmarkCapture(b *testing.B) {
	const size = 100 << 20
	for _, tc := range []struct {
		name, script string
		keep         int64
	}{
		{"cat", "head -c 104857600 /dev/zero | cat > /dev/null", 1},
		{"keep-1MiB", "exec head -c 104857600 /dev/zero", 1 << 20},
		{"keep-all", "exec head -c 104857600 /dev/zero", size},
	} {
		b.Run(tc.name, func(b *testing.B) {
			job := script(b, tc.script)
			job.MaxOutput = tc.keep
			b.SetBytes(size)
			benchmark(b, newRunner(b, nil), job)
		})
	}
}

func benchmark(b *testing.B, r *Runner, job Job) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		res, err := r.Run(b.Context(), job)
		if err != nil || res.ExitCode != 0 {
			b.Fatal(res, err)
		}
	}
}
