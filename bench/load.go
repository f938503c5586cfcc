package main

import (
	"context"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// call is one request and its checked answer.
type call func(context.Context) error

// sample collects the calls of several turns.
type sample struct {
	latencies []time.Duration
	elapsed   time.Duration
}

// measure makes calls for one turn, concurrency at a time. A call that fails ends the benchmark: a figure that contains
// errors says nothing.
func (s *sample) measure(ctx context.Context, concurrency int, turn time.Duration, do call) error {
	callers, ctx := errgroup.WithContext(ctx)
	latencies := make([][]time.Duration, concurrency)
	start := time.Now()
	for i := range concurrency {
		callers.Go(func() error {
			for time.Since(start) < turn {
				before := time.Now()
				if err := do(ctx); err != nil {
					return err
				}
				latencies[i] = append(latencies[i], time.Since(before))
			}
			return nil
		})
	}
	err := callers.Wait()
	s.elapsed += time.Since(start)
	s.latencies = append(s.latencies, slices.Concat(latencies...)...)
	return err
}

// summary is what a sample comes to.
type summary struct {
	rate     float64 // calls per second
	p50, p99 time.Duration
}

func (s *sample) summary() summary {
	slices.Sort(s.latencies)
	at := func(q float64) time.Duration {
		return s.latencies[int(q*float64(len(s.latencies)-1))].Round(10 * time.Microsecond)
	}
	return summary{rate: float64(len(s.latencies)) / s.elapsed.Seconds(), p50: at(0.50), p99: at(0.99)}
}

// keepAlive returns a client that keeps a connection per caller.
func keepAlive() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConns: 128, MaxIdleConnsPerHost: 128}}
}
