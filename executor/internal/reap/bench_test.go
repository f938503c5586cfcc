package reap

import (
	"log/slog"
	"testing"
	"time"
)

// idle is a Reaper that does not run.
func idle() *Reaper {
	return &Reaper{log: slog.New(slog.DiscardHandler), starting: make(map[uint64]struct{}), owned: make(map[int]int)}
}

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

// BenchmarkLook is what the Reaper does, ten times a second at most, while there are no orphans.
func BenchmarkLook(b *testing.B) {
	r := idle()
	seen := make(map[int]time.Time)
	for b.Loop() {
		r.look(seen)
	}
}
