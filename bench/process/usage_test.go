package process

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseCPU(t *testing.T) {
	// A name may hold what looks like the end of one.
	stat := "4711 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 120 30 400 5 20 0 8"
	got, err := parseCPU([]byte(stat))
	if want := (CPU{Own: 1500 * time.Millisecond, Children: 4050 * time.Millisecond}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, broken := range []string{"", "4711 (a) S 1 2", strings.Replace(stat, " 120 ", " x ", 1)} {
		if got, err := parseCPU([]byte(broken)); err == nil {
			t.Errorf("%q is taken for %+v", broken, got)
		}
	}
}

func TestOwnProcess(t *testing.T) {
	pid := os.Getpid()
	m, err := ReadMemory(pid)
	if err != nil || m.Resident < 1<<20 || m.Peak < m.Resident {
		t.Errorf("%+v, %v", m, err)
	}
	before, err := ReadCPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	for after := before; after.Sub(before).Own < 3*tick; {
		if after, err = ReadCPU(pid); err != nil {
			t.Fatal(err)
		}
	}
	n, err := Descriptors(pid)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if more, err := Descriptors(pid); err != nil || more <= n-1 {
		t.Errorf("%d descriptors, and %d, %v with one more", n, more, err)
	}
}

func TestFind(t *testing.T) {
	const mark = "a-mark-of-the-test-of-find"
	cmd := exec.Command("sh", "-c", "read x # "+mark)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Start returns when the program runs, so that its command line is there.
	found, err := Find(mark)
	if err != nil || !slices.Equal(found, []int{cmd.Process.Pid}) {
		t.Errorf("%v, %v; want %d", found, err, cmd.Process.Pid)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // read fails at the end of the input
	if found, err := Find(mark); err != nil || len(found) != 0 {
		t.Errorf("%v, %v; it has ended", found, err)
	}
}
