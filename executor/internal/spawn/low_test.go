package spawn

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// What a child is given has high numbers here, and there are more children at once than sets of low ones. Each has its own streams, nothing else, and the end
// of its output is seen: no duplicate of it stays in the gateway.
func TestManyDescriptors(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		for range 4 * lowest {
			open(t, "/", unix.O_PATH)
		}
		var all sync.WaitGroup
		for range 2 * sets {
			s := command(t, "sh", "-c", "echo $$; ls /proc/self/fd")
			all.Go(func() {
				r, w, err := os.Pipe()
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Close()
				mine := *s
				mine.Stdio[1] = w
				c, err := start(&mine)
				w.Close()
				if err != nil {
					t.Error(err)
					return
				}
				var text strings.Builder
				if _, err := r.WriteTo(&text); err != nil {
					t.Error(err)
				}
				if ws := wait(t, c); ws != 0 {
					t.Errorf("status %#x", ws)
				}
				if pid, list, _ := strings.Cut(text.String(), "\n"); pid == "" || list != "0\n1\n2\n3\n" {
					t.Errorf("%q", text.String())
				}
			})
		}
		all.Wait()
	})
}

// The numbers are set aside again when a child is made, or was refused.
func TestLowNumbersAreFree(t *testing.T) {
	before := len(lows().free)
	if before == 0 {
		t.Skip("no low numbers were free")
	}
	for range 4 * lowest {
		open(t, "/", unix.O_PATH)
	}
	if size, err := strconv.Atoi(field(t, succeed(t, Vfork, command(t, "cat", "/proc/self/status")), "FDSize")); err != nil || size > lowest {
		t.Errorf("the table of a child has room for %d descriptors: %v", size, err)
	}
	s := command(t, "true")
	null := open(t, os.DevNull, unix.O_RDWR)
	s.Stdio = [3]*os.File{null, null, null}
	for _, rlimit := range []Rlimit{{unix.RLIMIT_CORE, 0, 0}, {-1, 0, 0}} {
		s.Rlimits = []Rlimit{rlimit}
		if c, err := Vfork(s); err == nil {
			wait(t, c)
		}
		if now := len(lows().free); now != before {
			t.Errorf("%d sets are free, want %d", now, before)
		}
	}
	for range before {
		l := takeLow()
		defer func() { lows().free <- l }()
		for _, fd := range l.numbers {
			if name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err != nil || name != "anon_inode:[eventfd]" {
				t.Errorf("%d is %s: %v", fd, name, err)
			}
		}
	}
}
