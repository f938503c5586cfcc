package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	sidegate, plugins string
	length, every     time.Duration
	json              bool
}

func main() {
	var o options
	flag.StringVar(&o.sidegate, "sidegate", "bin/sidegate", "the program")
	flag.StringVar(&o.plugins, "plugins", "bin/plugins", "the folder with the example plugins")
	flag.DurationVar(&o.length, "for", 30*time.Minute, "how long, 10s at least")
	flag.DurationVar(&o.every, "every", 10*time.Second, "how often a line is printed")
	flag.BoolVar(&o.json, "json", false, "print JSON at the end, and the lines to standard error")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	lines := io.Writer(os.Stdout)
	if o.json {
		lines = os.Stderr
	}
	r, err := run(ctx, o, lines)
	if err == nil {
		if o.json {
			e := json.NewEncoder(os.Stdout)
			e.SetIndent("", "  ")
			err = e.Encode(r)
		} else {
			err = r.print(os.Stdout)
		}
	}
	if err == nil && len(r.Wrong) > 0 {
		err = errors.New("not all is as it must be")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// run lets a gateway live for the time, and returns how it did. An error means that it could not be tried.
func run(ctx context.Context, o options, lines io.Writer) (*report, error) {
	if o.length < 10*time.Second || o.every < 100*time.Millisecond {
		return nil, errors.New("-for is 10s at least, and -every 100ms")
	}
	s, err := newSite(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	t := newTally()
	if err := s.warmUp(ctx); err != nil {
		return nil, fmt.Errorf("%w\nthe gateway's log:\n%s", err, s.gateway.Log())
	}
	watch := watcher{site: s, tally: t, lines: lines, every: o.every, start: time.Now()}
	life, end := context.WithTimeout(ctx, o.length)
	defer end()
	loads := t.start(life, s.loads())
	if err := watch.until(life); err != nil {
		end()
		loads.Wait()
		return nil, fmt.Errorf("%w\nthe gateway's log:\n%s", err, tail(s.gateway.Log()))
	}
	loads.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return s.conclude(ctx, t, watch.samples, time.Since(watch.start))
}

func tail(text string) string { return text[max(0, len(text)-8000):] }
