package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/bench/process"
)

// concurrencies are how many callers there are at once.
var concurrencies = []int{1, 8, 64}

// call is one request and its checked answer.
type call func(context.Context) error

// measureAll measures all servers, in rounds. In each round every server has one turn at every concurrency, in random order. Long replies follow.
func measureAll(ctx context.Context, servers []server, o options) ([]measured, error) {
	found := make([]measured, len(servers))
	for i, s := range servers {
		found[i] = measured{Name: s.name, About: s.about, Loads: make([]load, len(concurrencies))}
		for j, c := range concurrencies {
			found[i].Loads[j].Concurrency = c
		}
		if err := turn(ctx, &load{Concurrency: 8}, s, o.turn/2); err != nil { // to warm up
			return nil, err
		}
	}
	for range o.rounds {
		for _, at := range rand.Perm(len(servers) * len(concurrencies)) {
			i, j := at/len(concurrencies), at%len(concurrencies)
			if err := turn(ctx, &found[i].Loads[j], servers[i], o.turn); err != nil {
				return nil, err
			}
		}
	}
	for i, s := range servers {
		memory, err := process.ReadMemory(s.pid)
		if err != nil {
			return nil, err
		}
		found[i].PeakMiB = mib(memory.Peak)
	}
	return found, measureReplies(ctx, servers, found, o.replies)
}

// turn makes calls for one turn, as many at a time as there are callers, and adds what it found. A call that fails ends the benchmark: a figure that contains
// errors says nothing.
func turn(ctx context.Context, l *load, s server, length time.Duration) error {
	before, err := process.ReadCPU(s.pid)
	if err != nil {
		return err
	}
	callers, group := errgroup.WithContext(ctx)
	latencies := make([][]time.Duration, l.Concurrency)
	start := time.Now()
	for i := range l.Concurrency {
		callers.Go(func() error {
			for time.Since(start) < length {
				began := time.Now()
				if err := s.short(group); err != nil {
					return fmt.Errorf("%s: %w\nits log:\n%s", s.name, err, s.log())
				}
				latencies[i] = append(latencies[i], time.Since(began))
			}
			return nil
		})
	}
	if err := callers.Wait(); err != nil {
		return err
	}
	elapsed := time.Since(start)
	after, err := process.ReadCPU(s.pid)
	if err != nil {
		return err
	}
	all := slices.Sorted(slices.Values(slices.Concat(latencies...)))
	used, n := after.Sub(before), float64(len(all))
	l.Rate = append(l.Rate, rounded(n/elapsed.Seconds()))
	l.P50 = append(l.P50, ms(all[len(all)/2]))
	l.P99 = append(l.P99, ms(all[len(all)*99/100]))
	l.Own = append(l.Own, rounded(1e3*used.Own.Seconds()/n))
	l.Children = append(l.Children, rounded(1e3*used.Children.Seconds()/n))
	return nil
}

// measureReplies has the servers send a long reply in turn, and watches how their memory grows.
func measureReplies(ctx context.Context, servers []server, found []measured, replies int) error {
	before := make([]process.Memory, len(servers))
	for i, s := range servers {
		var err error
		if before[i], err = process.ReadMemory(s.pid); err == nil {
			err = process.ResetPeak(s.pid)
		}
		if err != nil {
			return err
		}
	}
	for range replies {
		for _, i := range rand.Perm(len(servers)) {
			began := time.Now()
			if err := servers[i].long(ctx); err != nil {
				return fmt.Errorf("%s: %w\nits log:\n%s", servers[i].name, err, servers[i].log())
			}
			found[i].Reply = append(found[i].Reply, ms(time.Since(began)))
		}
	}
	for i, s := range servers {
		after, err := process.ReadMemory(s.pid)
		if err != nil {
			return err
		}
		found[i].ReplyGrownMiB = mib(after.Peak - before[i].Resident)
	}
	return nil
}

func ms(d time.Duration) float64 { return rounded(1e3 * d.Seconds()) }
func mib(bytes int64) float64    { return rounded(float64(bytes) / (1 << 20)) }
