package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ownSignals marks a command that hears SIGINT and SIGTERM itself: for it they say something else than that it is to end.
const ownSignals = "signals"

// hear returns a channel of SIGINT and SIGTERM, and what ends it.
func hear() (<-chan os.Signal, func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	return signals, func() { signal.Stop(signals) }
}

// stoppable returns a context that the first signal ends, with a *stopError as its cause. Nobody can cancel here what was asked for: its ID is not known yet.
func (c *call) stoppable(parent context.Context) (context.Context, func()) {
	left := errors.New("the command goes on if the gateway has accepted it; on its host, sidegate jobs list shows it, and sidegate jobs cancel ends it")
	if c.dryRun {
		left = errors.New("the decision was not waited for")
	}
	ctx, cancel := context.WithCancelCause(parent)
	signals, quiet := hear()
	go func() {
		select {
		case s := <-signals:
			cancel(&stopError{s, left})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { quiet(); cancel(nil) }
}

// interruptible returns a context that ends when the job is left alone. The first signal cancels the job, and the second leaves it. stop ends this, and returns the first
// signal, if there was one.
func (l *live) interruptible(parent context.Context, shown *screen) (_ context.Context, stop func() os.Signal) {
	ctx, leave := context.WithCancelCause(parent)
	signals, quiet := hear()
	var first os.Signal
	var hearing sync.WaitGroup
	over := make(chan struct{})
	hearing.Go(func() {
		id := ""
		for {
			select {
			case id = <-l.id:
				shown.runs(id)
			case <-over:
				return
			case s := <-signals:
				if first != nil {
					leave(&stopError{s, errors.New(l.goesOn(id))})
					return
				}
				first = s
				if id == "" {
					if id = l.patient(over); id == "" {
						leave(&stopError{s, errors.New(l.goesOn(""))})
						return
					}
					shown.runs(id)
				}
				fmt.Fprintf(l.notes, "sidegate: %s: cancelling the job %s, and waiting for its end; once more, and it is left alone\n", unix.SignalName(s.(syscall.Signal)), id)
				hearing.Go(func() { l.endJob(ctx, id) })
			}
		}
	})
	return ctx, func() os.Signal {
		quiet()
		close(over)
		leave(nil)
		hearing.Wait()
		return first
	}
}

// patient waits a moment for the ID of a job that was asked for, so that it can be cancelled.
func (l *live) patient(over <-chan struct{}) string {
	late := time.NewTimer(promptness)
	defer late.Stop()
	select {
	case id := <-l.id:
		return id
	case <-over:
	case <-late.C:
	}
	return ""
}

// endJob cancels the job. How it ended the events tell.
func (l *live) endJob(ctx context.Context, id string) {
	if _, err := l.ask(ctx, http.MethodDelete, "/v1/jobs/"+id, nil, new(job)); err != nil && ctx.Err() == nil {
		fmt.Fprintf(l.notes, "sidegate: the job could not be cancelled, and goes on: %s\n", firstLine(err))
	}
}

// goesOn says what becomes of a job that is left, and how to see it.
func (l *live) goesOn(id string) string {
	if !l.sent.Load() {
		return "nothing was sent"
	}
	if id == "" {
		return "it is not known whether the gateway has accepted the job; sidegate jobs list shows it if so"
	}
	return fmt.Sprintf("the job may go on without you; to see it: sidegate jobs show %s", id)
}
