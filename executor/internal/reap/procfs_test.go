package reap

import (
	"os/exec"
	"slices"
	"testing"
)

// TestChildren compares both ways of listing children, and finds the descriptors that os/exec holds of them.
func TestChildren(t *testing.T) {
	t.Parallel()
	var want []int
	for range 5 {
		cmd := exec.Command("/bin/sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		want = append(want, cmd.Process.Pid)
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
	for name, list := range map[string]func() ([]int, error){"children": children, "stat": childrenByParent} {
		got, err := list()
		if err != nil {
			t.Fatal(err)
		}
		for _, pid := range want {
			if !slices.Contains(got, pid) {
				t.Errorf("%s: %v is without child %d", name, got, pid)
			}
		}
	}
	held, err := waitedFor(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range want {
		if !held[pid] {
			t.Errorf("no descriptor of child %d is seen: %v", pid, held)
		}
	}
}

func TestPidOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"pos:\t0\nflags:\t02000002\nPid:\t42\nNSpid:\t42\t1\n": 42,
		"Pid:\t-1\n": -1,
	} {
		if pid, err := pidOf([]byte(text)); pid != want || err != nil {
			t.Errorf("%q: %d, %v", text, pid, err)
		}
	}
	for _, text := range []string{"", "NSpid:\t1\n", "Pid:\t\n", "Pid:\tx\n", "PPid:\t1\n"} {
		if pid, err := pidOf([]byte(text)); err == nil {
			t.Errorf("%q: %d", text, pid)
		}
	}
}
