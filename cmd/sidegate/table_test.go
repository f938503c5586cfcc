package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal of a width: what is written to tty, read reads, so many lines of it.
func terminal(t *testing.T, width int) (tty *os.File, read func(lines int) string) {
	t.Helper()
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this host has no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { ptmx.Close() })
	fd := int(ptmx.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this host has no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { tty.Close() })
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(width)}); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(ptmx)
	return tty, func(lines int) string {
		var all strings.Builder
		for range lines {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString(strings.ReplaceAll(line, "\r\n", "\n"))
		}
		return all.String()
	}
}

func aTable(w *os.File) *table {
	at := time.Now().Add(-3 * time.Minute)
	list := &table{head: []string{"JOB", "STATUS", "ACCEPTED", "COMMAND"}, narrow: 10}
	list.add(plainly("one"), cell{"exited 3", red}, plainly(when(w, &at)), plainly("a command that is longer than what is left of the line"))
	list.add(plainly("zwölf"), plainly("running"), plainly(when(w, nil)), plainly("short"))
	return list
}

// TestTableOnATerminal: a row is a line, times are relative, and what failed is red.
func TestTableOnATerminal(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	tty, read := terminal(t, 60)
	if err := aTable(tty).print(tty); err != nil {
		t.Fatal(err)
	}
	want := "JOB    STATUS    ACCEPTED       COMMAND\n" +
		"one    \x1b[31mexited 3\x1b[0m  3 minutes ago  a command that is longer th…\n" +
		"zwölf  running   -              short\n"
	if got := read(3); got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	t.Setenv("NO_COLOR", "1")
	if err := aTable(tty).print(tty); err != nil {
		t.Fatal(err)
	}
	if got := read(3); strings.Contains(got, "\x1b") {
		t.Errorf("got %q", got)
	}
	// A terminal that is too narrow for all this shows the beginning at least.
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 20}); err != nil {
		t.Fatal(err)
	}
	if err := aTable(tty).print(tty); err != nil {
		t.Fatal(err)
	}
	if got := read(3); !strings.Contains(got, "a command…\n") {
		t.Errorf("got %q", got)
	}
}

// TestTableInAPipe: nothing is cut, nothing is coloured, and times are for programs.
func TestTableInAPipe(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	list := aTable(w)
	at := list.rows[0][2].text
	if _, err := time.Parse(time.RFC3339, at); err != nil {
		t.Error(err)
	}
	if err := list.print(w); err != nil {
		t.Fatal(err)
	}
	want := "JOB    STATUS    ACCEPTED              COMMAND\n" +
		"one    exited 3  " + at + "  a command that is longer than what is left of the line\n" +
		"zwölf  running   -                     short\n"
	buf := make([]byte, 4096)
	n, err := r.Read(buf)
	if got := string(buf[:n]); err != nil || got != want {
		t.Errorf("got\n%s, %v, want\n%s", got, err, want)
	}
}
