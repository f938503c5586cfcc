package reap

import (
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// idle is a Reaper that does not run.
func idle() *Reaper { return &Reaper{watch: newWatch(nil)} }

// BenchmarkOwn is what a start pays.
func BenchmarkOwn(b *testing.B) {
	r := idle()
	for b.Loop() {
		release, err := r.Own(func() (int, error) { return 42, nil })
		if err != nil {
			b.Fatal(err)
		}
		release()
	}
}

// BenchmarkLook is what the Reaper does, ten times a second at most, while there are no strangers.
func BenchmarkLook(b *testing.B) {
	r := idle()
	seen := make(map[int]time.Time)
	for b.Loop() {
		r.look(seen)
	}
}

// BenchmarkLookAtZombie is what it does while a child of somebody has ended and is not waited for yet.
func BenchmarkLookAtZombie(b *testing.B) {
	cmd := exec.Command("/bin/true")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	if err := soon("a zombie", func() bool { return ended(unix.P_ALL, 0) }); err != nil {
		b.Fatal(err)
	}
	r := idle()
	for b.Loop() {
		r.look(map[int]time.Time{}) // without ever being due
	}
}
