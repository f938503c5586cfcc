package reap

import (
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// grace is how long a process has to have been seen as a zombie.
	grace = time.Second
	// calm is the time between a child's end and the look for strangers, in which other ends are waited for. A look reads files of /proc for every
	// thread of this process.
	calm = 100 * time.Millisecond
)

// begin has the children looked through until stop is called. done is closed then.
func (w *watch) begin() {
	ended := make(chan os.Signal, 1)
	quit := make(chan struct{})
	signal.Notify(ended, unix.SIGCHLD)
	w.stop = sync.OnceFunc(func() {
		signal.Stop(ended)
		close(quit)
	})
	go w.run(ended, quit)
}

// run looks for strangers some time after a child has ended, and again for as long as there are zombies that nobody has waited for.
func (w *watch) run(ended <-chan os.Signal, quit <-chan struct{}) {
	defer close(w.done)
	timer := time.NewTimer(0) // for what had ended before
	defer timer.Stop()
	var (
		seen  = make(map[int]time.Time)
		set   = true // the timer
		final = true // look once more: /proc can leave out children while others end
	)
	again := func(d time.Duration) {
		timer.Reset(d)
		set = true
	}
	for {
		select {
		case <-quit:
			return
		case <-ended:
			final = true
			if !set {
				again(calm)
			}
		case <-timer.C:
			set = false
			next := w.look(seen)
			if next == 0 && final {
				final, next = false, grace
			}
			if next > 0 {
				again(next)
			}
		}
	}
}
