package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// drains marks a command that ends in order when it is told to, takes the time that this needs, and has then done its work.
const drains = "drains"

// promptness is what any other command gets to end. Then it is left as it is: some of what commands do, such as compiling
// modules and policies, cannot be interrupted.
const promptness = time.Second

// A stopError is a command that a signal has stopped.
type stopError struct {
	signal os.Signal
	err    error // what the command says of it, if anything
}

func (e *stopError) Error() string {
	text := "stopped by " + unix.SignalName(e.signal.(syscall.Signal))
	if exit := new(exitError); e.err == nil || errors.As(e.err, &exit) && exit.err == nil {
		return text
	}
	return fmt.Sprintf("%s: %v", text, e.err)
}

func (e *stopError) Unwrap() error { return e.err }

// code is the exit code that a shell gives to what a signal has ended.
func (e *stopError) code() int { return 128 + int(e.signal.(syscall.Signal)) }

// runStoppable runs a command line. The first SIGINT or SIGTERM ends its context, and the second does not wait for anything.
func runStoppable(root *cobra.Command, args []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	cmd, _, err := root.Find(args)
	orderly := err == nil && cmd.Annotations[drains] != ""
	root.SetArgs(args)
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()

	var first os.Signal
	select {
	case err := <-ended:
		return err
	case first = <-signals:
		cancel()
	}
	var late <-chan time.Time
	if !orderly {
		late = time.After(promptness)
	}
	select {
	case err := <-ended:
		if err == nil && orderly {
			return nil
		}
		return &stopError{first, err}
	case <-late:
		return &stopError{first, nil}
	case second := <-signals:
		return &stopError{second, nil}
	}
}
