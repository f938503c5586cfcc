package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// A load is a kind of caller, of which some do the same thing again and again.
type load struct {
	name    string
	callers int
	pause   time.Duration               // between two times
	do      func(context.Context) error // errBusy or errSlow where the gateway could not do it
}

var errBusy = errors.New("the gateway asks to come again")

// errSlow is a refusal because the policy or a plugin got too little time to answer. It is what must come then, and on a machine that has the time it comes
// rarely: see slowAllowed.
var errSlow = errors.New("there was too little time")

// slowAllowed is the part of all calls that may be refused so.
const slowAllowed = 0.01

// count is how often something was done, and how it went.
type count struct {
	Done  int `json:"done"`
	Busy  int `json:"told_to_come_again"`
	Slow  int `json:"out_of_time"`
	Wrong int `json:"wrong"`
}

// tally counts what loads do. It is safe for concurrent use.
type tally struct {
	mu     sync.Mutex
	counts map[string]count
	first  []string // the first errors
}

func newTally() *tally { return &tally{counts: map[string]count{}} }

// start starts loads, which go on until the context ends. What is under way then is done to its end.
func (t *tally) start(ctx context.Context, loads []load) *sync.WaitGroup {
	var all sync.WaitGroup
	for _, l := range loads {
		for range l.callers {
			all.Go(func() {
				for ctx.Err() == nil {
					once, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
					t.add(l.name, l.do(once))
					cancel()
					select {
					case <-ctx.Done():
					case <-time.After(l.pause):
					}
				}
			})
		}
	}
	return &all
}

func (t *tally) add(name string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts[name]
	switch {
	case err == nil:
		c.Done++
	case errors.Is(err, errBusy):
		c.Busy++
	case errors.Is(err, errSlow):
		c.Slow++
	default:
		c.Wrong++
		if len(t.first) < 20 {
			t.first = append(t.first, name+": "+err.Error())
		}
	}
	t.counts[name] = c
}

// total adds up all counts.
func (t *tally) total() (sum count) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.counts {
		sum.Done, sum.Busy, sum.Slow, sum.Wrong = sum.Done+c.Done, sum.Busy+c.Busy, sum.Slow+c.Slow, sum.Wrong+c.Wrong
	}
	return sum
}

func (t *tally) read() (counts map[string]count, first []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts), slices.Clone(t.first)
}
