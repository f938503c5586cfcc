// Command sidegate is the gateway and everything around it: serving, setting up, calling, and the tools for policy
// authors. Each command group has a file of its own.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/sidegate/sidegate/executor"
)

func main() {
	executor.RunChild()
	os.Exit(execute(os.Args[1:]))
}

// execute runs the command line and returns the process's exit code.
func execute(args []string) int {
	err := runStoppable(newRootCommand(), args)
	if err == nil {
		return 0
	}
	code := 1
	var stopped *stopError
	var exit *exitError
	switch {
	case errors.As(err, &stopped):
		code = stopped.code()
	case errors.As(err, &exit):
		if exit.err == nil {
			return exit.code
		}
		code = exit.code
	}
	fmt.Fprintln(os.Stderr, "sidegate:", err)
	return code
}

// exitError ends the process with a code of its own. A nil err says that everything worth saying has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }
