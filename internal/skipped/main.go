// Command skipped runs `go test` with its arguments and prints what that prints, and behind it which tests skipped and
// why: a suite that passes because half of it was left out must not look like one that passes. It ends with go test's
// exit code.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	os.Exit(run(os.Args[1:], "", os.Stdout, os.Stderr))
}

// run tests in a directory, "" for the current one, and returns the exit code.
func run(args []string, dir string, stdout, stderr io.Writer) int {
	test := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	test.Dir, test.Stderr = dir, stderr
	events, err := test.StdoutPipe()
	if err == nil {
		err = test.Start()
	}
	if err != nil {
		fmt.Fprintln(stderr, "skipped:", err)
		return 1
	}
	r := newReport(stdout)
	readErr := r.read(events)
	if readErr != nil {
		fmt.Fprintln(stderr, "skipped: what go test says cannot be read:", readErr)
		_, _ = io.Copy(io.Discard, events) // or it would wait for a reader
	}
	err = test.Wait()
	r.end()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	case err != nil || readErr != nil:
		return 1
	}
	return 0
}
