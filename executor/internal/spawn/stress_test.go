package spawn

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// stressKey, in the environment, is how many children TestStress makes in each way instead of those below.
const stressKey = "SPAWN_STRESS"

const concurrency = 8

// TestStress makes many children at once, with everything in their Spec, while memory is allocated and collected and other goroutines fork in Go's
// own way.
func TestStress(t *testing.T) {
	counts := map[string]int{"vfork": 2000, "helper": 200}
	if n, err := strconv.Atoi(os.Getenv(stressKey)); err == nil {
		counts = map[string]int{"vfork": n, "helper": n}
	}
	bothWays(t, func(t *testing.T, start way) {
		stop := pressure(t)
		defer stop()
		stress(t, start, counts[t.Name()[len("TestStress/"):]])
	})
}

func stress(t *testing.T, start way, count int) {
	specs := [concurrency]*Spec{}
	for i := range specs {
		specs[i] = confined(t, "true")
		if i%4 == 3 {
			specs[i] = namespaced(t, "true")
		}
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for _, s := range specs {
		workers.Go(func() {
			for next.Add(1) <= int64(count) && !t.Failed() {
				c, err := start(s)
				if err != nil {
					t.Error(err)
					return
				}
				if ws := wait(t, c); ws != 0 {
					t.Errorf("status %#x", ws)
				}
			}
		})
	}
	workers.Wait()
}

// pressure keeps the collector, the stacks and Go's own fork busy until stop is called.
func pressure(t *testing.T) (stop func()) {
	t.Helper()
	done := make(chan struct{})
	var all sync.WaitGroup
	repeat := func(f func()) {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					f()
				}
			}
		})
	}
	var kept [64][]byte
	i := 0
	repeat(func() {
		kept[i%len(kept)] = make([]byte, 64<<10)
		i++
		if i%64 == 0 {
			runtime.GC()
		}
	})
	repeat(func() {
		var grown sync.WaitGroup
		grown.Go(func() { deep(100) })
		grown.Wait()
		if err := exec.Command("true").Run(); err != nil {
			t.Error(err)
		}
	})
	return func() {
		close(done)
		all.Wait()
	}
}

// deep makes the stack grow.
func deep(n int) byte {
	var frame [256]byte
	frame[n] = byte(n)
	if n == 0 {
		return frame[0]
	}
	return deep(n-1) + frame[n]
}

// confined is a child with all that is not a namespace, as far as this process may do that.
func confined(t testing.TB, argv ...string) *Spec {
	t.Helper()
	s := command(t, argv...)
	s.NoNewPrivs, s.DropCapabilities = true, true
	s.Landlock = ruleset(t, programDirs...)
	s.Filter = denying(unix.SYS_PTRACE)
	s.Rlimits = []Rlimit{{unix.RLIMIT_NOFILE, 64, 64}, {unix.RLIMIT_CORE, 0, 0}, {unix.RLIMIT_FSIZE, 1 << 20, 1 << 20}, {unix.RLIMIT_AS, 1 << 30, 1 << 30}}
	if os.Geteuid() == 0 {
		s.Identity = &Identity{UID: other, GID: other}
	}
	return s
}

// namespaced is confined with namespaces, for root.
func namespaced(t testing.TB, argv ...string) *Spec {
	t.Helper()
	s := confined(t, argv...)
	if os.Geteuid() == 0 {
		s.Namespaces = &Namespaces{PID: true, Mount: true, IPC: true, Network: emptyNetwork(t), Proc: true, Hidden: []string{"/run"}, Workdir: "/"}
	}
	return s
}
