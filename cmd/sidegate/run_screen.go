package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// quietTime is how long a job writes nothing before a line says that it runs.
const quietTime = 3 * time.Second

// A screen is where the output of a job goes, with a line below it that says how long a job runs that writes nothing. The line is there only where both outputs are
// terminals and the cursor is at the beginning of a line, and it is gone before anything else is written. It is safe for concurrent use.
type screen struct {
	out, err screenWriter

	mu      sync.Mutex
	line    io.Writer // nil where there is no line
	drawn   bool
	partial bool // what was written last has not ended its line
	job     string
	begun   time.Time
	written time.Time
	now     func() time.Time
	stop    func()
}

type screenWriter struct {
	s  *screen
	to io.Writer
}

// newScreen returns a screen for these outputs. progress says whether there may be a line. It is to be closed.
func newScreen(out, err io.Writer, progress bool) *screen {
	s := &screen{now: time.Now, stop: func() {}}
	s.out, s.err = screenWriter{s, out}, screenWriter{s, err}
	if !progress || !isTerminal(out) || !isTerminal(err) {
		return s
	}
	s.line = err
	ticks, done := time.NewTicker(time.Second), make(chan struct{})
	s.stop = sync.OnceFunc(func() { ticks.Stop(); close(done) })
	go func() {
		for {
			select {
			case <-ticks.C:
				s.tick()
			case <-done:
				return
			}
		}
	}()
	return s
}

// runs says that a job has begun.
func (s *screen) runs(job string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.job, s.begun, s.written = job, s.now(), s.now()
}

// Write implements io.Writer.
func (w screenWriter) Write(b []byte) (int, error) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.clear()
	if len(b) > 0 {
		w.s.partial, w.s.written = b[len(b)-1] != '\n', w.s.now()
	}
	return w.to.Write(b)
}

// tick draws the line, if it is time for it.
func (s *screen) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.line == nil || s.job == "" || s.partial || now.Sub(s.written) < quietTime {
		return
	}
	s.drawn = true
	ran := now.Sub(s.begun).Truncate(time.Second)
	line := fmt.Sprintf("sidegate: job %s runs, %v", s.job, ran)
	if len(line) >= widthOf(s.line) {
		line = fmt.Sprintf("runs, %v", ran)
	}
	fmt.Fprint(s.line, "\r\x1b[K"+fitting(s.line, line))
}

// clear takes the line away. The lock is held.
func (s *screen) clear() {
	if s.drawn {
		fmt.Fprint(s.line, "\r\x1b[K")
		s.drawn = false
	}
}

// close takes the line away for good. It may be called twice.
func (s *screen) close() {
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.line = nil
}
