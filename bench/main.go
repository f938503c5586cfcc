package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sidegate/sidegate/bench/peers"
)

type options struct {
	sidegate string
	turn     time.Duration
	rounds   int
	replies  int
	note     string // for who reads the results
	dir      string // where to put what was measured, or ""
}

func main() {
	peers.RunChild()
	var o options
	flag.StringVar(&o.sidegate, "sidegate", "bin/sidegate", "the program to measure")
	flag.DurationVar(&o.turn, "turn", 1500*time.Millisecond, "how long one turn of one server at one concurrency lasts")
	flag.IntVar(&o.rounds, "rounds", 5, "how many turns each has")
	flag.IntVar(&o.replies, "replies", 20, "how many replies of 10 MiB each server sends")
	flag.StringVar(&o.note, "note", "", "what else there is to know about the machine, for who reads the results")
	flag.StringVar(&o.dir, "write", "", "write results.json, bench.svg and the part of RESULTS.md that is made from it into this directory")
	render := flag.String("render", "", "measure nothing: make bench.svg and RESULTS.md in this directory anew, from its results.json")
	flag.Parse()
	err := func() error {
		if *render != "" {
			return renderAgain(*render)
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return run(ctx, o)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.rounds < 1 || o.turn < 100*time.Millisecond || o.replies < 1 {
		return errors.New("that is too little to measure: -rounds and -replies are 1 at least, and -turn 100ms")
	}
	dir, err := os.MkdirTemp("", "sidegate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	servers, stop, err := startAll(ctx, o.sidegate, dir)
	if err != nil {
		return err
	}
	defer stop()
	r, err := describe(ctx, dir, o)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", r.circumstances())
	if r.Servers, err = measureAll(ctx, servers, o); err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString(r.table()); err != nil || o.dir == "" {
		return err
	}
	return r.write(o.dir)
}
