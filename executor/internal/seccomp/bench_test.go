package seccomp

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func BenchmarkAssemble(b *testing.B) {
	for _, n := range []Network{NetworkNone, NetworkNetlink, NetworkFull} {
		b.Run(string(n), func(b *testing.B) {
			info, err := native(runtime.GOARCH)
			if err != nil {
				b.Skip(err)
			}
			for b.Loop() {
				f, err := assemble(info, n)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(f)), "instructions")
			}
		})
	}
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			filter(b, NetworkNone)
		}
	})
}

// BenchmarkInstall is what the filter adds to the start of a command. The kernel compiles the program, and runs it for every number to find those that
// are allowed whatever their arguments are, which it will not ask the program about. The filter that only allows is the least it can cost.
func BenchmarkInstall(b *testing.B) {
	supported(b)
	for name, f := range map[string][]unix.SockFilter{
		"none":    filter(b, NetworkNone),
		"full":    filter(b, NetworkFull),
		"nothing": {{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW}},
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				onThread(func() {
					start := time.Now()
					if err := install(f); err != nil {
						b.Error(err)
					}
					took = append(took, time.Since(start))
				})
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[0].Nanoseconds()), "min-ns")
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
		})
	}
}

// BenchmarkCall is what a call costs that the kernel knows to be allowed, and one that the program is asked about every time.
func BenchmarkCall(b *testing.B) {
	supported(b)
	for _, c := range []struct {
		name string
		nr   uintptr
	}{{"getppid", unix.SYS_GETPPID}, {"ioctl", unix.SYS_IOCTL}} {
		for name, f := range map[string][]unix.SockFilter{"plain": nil, "filtered": filter(b, NetworkNone)} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				onThread(func() {
					if f != nil {
						if err := install(f); err != nil {
							b.Error(err)
						}
					}
					for b.Loop() {
						unix.RawSyscall(c.nr, ^uintptr(0), 0, 0)
					}
				})
			})
		}
	}
}

// onThread runs f on a thread that ends with it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread() // and never unlocked
		f()
		close(done)
	}()
	<-done
}
