package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// The line is drawn only while nothing is written and the cursor is at the beginning of a line, and is gone before anything is written.
func TestScreen(t *testing.T) {
	t.Parallel()
	var terminal bytes.Buffer
	now := time.Unix(1000, 0)
	s := &screen{now: func() time.Time { return now }, stop: func() {}, line: &terminal}
	s.out, s.err = screenWriter{s, &terminal}, screenWriter{s, &terminal}
	later := func(d time.Duration) { now = now.Add(d); s.tick() }
	step := func(what, want string) {
		t.Helper()
		if got := terminal.String(); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
		terminal.Reset()
	}
	later(time.Hour)
	step("before there is a job", "")
	s.runs("id")
	later(quietTime - time.Second)
	step("too early", "")
	later(time.Second)
	step("quiet", "\r\x1b[Ksidegate: job id runs, 3s")
	later(time.Second)
	step("still quiet", "\r\x1b[Ksidegate: job id runs, 4s")
	fmt.Fprint(s.out, "out")
	step("output takes the line away", "\r\x1b[Kout")
	later(time.Minute)
	step("not in the middle of a line", "")
	fmt.Fprint(s.err, "err\n")
	step("there is nothing to take away", "err\n")
	later(quietTime)
	step("behind a whole line", "\r\x1b[Ksidegate: job id runs, 1m7s")
	s.close()
	s.close()
	step("closed", "\r\x1b[K")
	later(time.Hour)
	fmt.Fprint(s.out, "last\n")
	step("after that", "last\n")
}

// Where an output is no terminal there is no line.
func TestScreenElsewhere(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := newScreen(&out, &out, true)
	defer s.close()
	s.runs("id")
	s.now = func() time.Time { return time.Now().Add(time.Hour) }
	s.tick()
	if out.Len() > 0 {
		t.Errorf("%q", out.String())
	}
}

// TestScreenThatIsNarrow: a line that were wrapped could not be taken away.
func TestScreenThatIsNarrow(t *testing.T) {
	t.Parallel()
	for width, want := range map[int]string{80: "sidegate: job an-id runs, 3s", 28: "runs, 3s", 29: "sidegate: job an-id runs, 3s", 5: "runs", 1: ""} {
		tty, read := terminal(t, width)
		now := time.Unix(1000, 0)
		s := &screen{now: func() time.Time { return now }, stop: func() {}, line: tty}
		s.runs("an-id")
		now = now.Add(quietTime)
		s.tick()
		fmt.Fprintln(tty)
		if got := read(1); got != "\r\x1b[K"+want+"\n" {
			t.Errorf("%d columns: %q, want %q", width, got, want)
		}
	}
}
