package seccomp

import (
	"slices"
	"strings"
	"testing"
)

func TestAssemble(t *testing.T) {
	t.Parallel()
	for _, n := range []Network{NetworkNone, NetworkNetlink, NetworkFull} {
		first := filter(t, n)
		if again := filter(t, n); &again[0] != &first[0] {
			t.Errorf("%s was assembled twice", n)
		}
	}
	for _, n := range []Network{"", "None", "host", "full "} {
		if f, err := Assemble(n); err == nil || f != nil || !strings.Contains(err.Error(), "unknown network") {
			t.Errorf("network %q: got %d instructions, %v", n, len(f), err)
		}
	}
	for _, goarch := range []string{"", "386", "arm", "riscv64"} {
		if _, err := native(goarch); err == nil {
			t.Errorf("there is a filter for %q", goarch)
		}
	}
}

// TestTables: the library's tables hold no call that nobody looked at, and contradict nothing here.
func TestTables(t *testing.T) {
	t.Parallel()
	for _, goarch := range []string{"amd64", "arm64"} {
		info, err := native(goarch)
		if err != nil {
			t.Fatal(err)
		}
		for nr, name := range info.SyscallNumbers {
			if nr > newest {
				t.Errorf("%s: %s (%d) is newer than what was reviewed (%d)", goarch, name, nr, newest)
			}
			if ours, ok := reviewed[name]; ok && int(ours) != nr {
				t.Errorf("%s: %s has the number %d, not %d", goarch, name, nr, ours)
			}
		}
		for name, nr := range reviewed {
			if theirs, ok := info.SyscallNumbers[int(nr)]; ok && theirs != name {
				t.Errorf("%s: %d is %s, not %s", goarch, nr, theirs, name)
			}
		}
	}
	numbers := []uint32{}
	for _, nr := range reviewed {
		numbers = append(numbers, nr)
	}
	if slices.Max(numbers) != newest {
		t.Errorf("%d is the newest call that has a name, not %d", slices.Max(numbers), newest)
	}
	for _, g := range denied {
		if g.why == "" || g.errno == 0 || len(g.names) == 0 {
			t.Errorf("incomplete: %+v", g)
		}
	}
}
