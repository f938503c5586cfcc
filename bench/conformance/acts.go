package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// actFlag as the first argument makes this program be a command that a server was told to run.
const actFlag = "-act"

// An order is a command: this program, acting. Every command has both arguments, which may be empty.
type order struct{ act, a, b string }

func (o order) argv(program string) []string { return []string{program, actFlag, o.act, o.a, o.b} }

// longest is how long a command holds out that nobody ends.
const longest = 2 * time.Minute

// acts are what commands do with their arguments.
var acts = map[string]func(a, b string) error{
	"nothing": func(_, _ string) error { return nil },
	"mark":    func(file, _ string) error { return write(file, "ran\n") },
	"print":   func(a, b string) error { return print(shown(a, b)) },
	"cut":     func(_, _ string) error { return print("first\nlast") },
	"bytes":   func(_, _ string) error { return print(notText) },
	"long":    func(n, _ string) error { return fill(os.Stdout, n) },
	"loud": func(n, _ string) error {
		if err := fill(os.Stderr, n); err != nil {
			return err
		}
		return print("done\n")
	},
	"fail": func(code, _ string) error {
		n, err := strconv.Atoi(code)
		if err == nil {
			os.Exit(n)
		}
		return err
	},
	"hold": func(_, _ string) error { time.Sleep(longest); return nil },
	"tree": func(_, mark string) error {
		if err := leave(mark); err != nil {
			return err
		}
		time.Sleep(longest)
		return nil
	},
	"leave": func(_, mark string) error {
		if err := leave(mark); err != nil {
			return err
		}
		return print("done\n")
	},
	"busy": func(file, _ string) error {
		if err := write(file, "+"); err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
		return write(file, "-")
	},
}

// notText is what a program prints in an old encoding.
const notText = "before \xff\xfe\xe4 after\n"

// shown is how arguments are printed: so that each byte can be told, on any server.
func shown(a, b string) string { return fmt.Sprintf("%x,%x\n", a, b) }

// runAct is a command in a process that a server has made, and does not return there. It comes first in main, and in TestMain.
func runAct() {
	if len(os.Args) < 2 || os.Args[1] != actFlag {
		return
	}
	if len(os.Args) != 5 || acts[os.Args[2]] == nil {
		fmt.Fprintf(os.Stderr, "there is no such act: %q\n", os.Args[2:])
		os.Exit(64)
	}
	act := acts[os.Args[2]]
	if err := act(os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(65)
	}
	os.Exit(0)
}

func print(text string) error {
	_, err := os.Stdout.WriteString(text)
	return err
}

// write appends to a file in one go, so that commands do not write over each other.
func write(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	return f.Close()
}

// fill writes n bytes, in lines.
func fill(w io.Writer, n string) error {
	left, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	chunk := strings.Repeat(strings.Repeat("x", 99)+"\n", 640)
	for left > 0 {
		part := chunk[:min(left, len(chunk))]
		if _, err := io.WriteString(w, part); err != nil {
			return err
		}
		left -= len(part)
	}
	return nil
}

// leave starts a process that holds the output open and stays.
func leave(mark string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, order{act: "hold", b: mark}.argv(self)[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Start()
}
