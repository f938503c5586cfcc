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

// runStoppable runs a command line. The first SIGINT or SIGTERM ends its context, and the second does not wait for anything; a command that drains is only told to
// hurry by the second, which it hears itself, and the third does not wait.
func runStoppable(root *cobra.Command, args []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	cmd, _, err := root.Find(args)
	orderly := err == nil && cmd.Annotations[drains] != ""
	root.SetArgs(args)
	if err == nil && cmd.Annotations[ownSignals] != "" {
		signal.Stop(signals)
		return root.ExecuteContext(ctx)
	}
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
	patience := 2 // signals that are heard before the next ends everything
	if !orderly {
		late, patience = time.After(promptness), 1
	}
	for heard := 1; ; heard++ {
		select {
		case err := <-ended:
			if err == nil && orderly {
				return nil
			}
			return &stopError{first, err}
		case <-late:
			return &stopError{first, nil}
		case next := <-signals:
			if heard == patience {
				return &stopError{next, nil}
			}
		}
	}
}

// onSecondSignal calls hurry when a second SIGINT or SIGTERM comes before stop is called.
func onSecondSignal(hurry func()) (stop func()) {
	signals, done := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for range 2 {
			select {
			case <-signals:
			case <-done:
				return
			}
		}
		hurry()
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}
