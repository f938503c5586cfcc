package guest

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const defaultCompileTime = time.Minute

// abandoned are the loads that nobody waits for any longer, in this process: the processors and the
// memory that they take are everybody's.
var abandoned backlog

// A backlog is a number of things that somebody may wait for to be over.
type backlog struct {
	mu   sync.Mutex
	n    int
	over chan struct{} // closed when n becomes zero
}

func (b *backlog) add() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n == 0 {
		b.over = make(chan struct{})
	}
	b.n++
}

func (b *backlog) remove() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n--; b.n == 0 {
		close(b.over)
	}
}

// wait returns whether the backlog was over before ctx was.
func (b *backlog) wait(ctx context.Context) bool {
	for {
		b.mu.Lock()
		n, over := b.n, b.over
		b.mu.Unlock()
		if n == 0 {
			return true
		}
		select {
		case <-over:
		case <-ctx.Done():
			return false
		}
	}
}

// loadWithin loads a plugin in a goroutine, which is left to itself when ctx ends or the time for it has passed.
func loadWithin(ctx context.Context, c Config, load func(Config) (*Plugin, error)) (*Plugin, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.CompileTime, fmt.Errorf("it takes longer than %v", c.CompileTime))
	defer cancel()
	if ctx.Err() != nil {
		return nil, c.giveUp(context.Cause(ctx))
	}
	if !abandoned.wait(ctx) {
		return nil, c.giveUp(fmt.Errorf("it has not begun, since one that was given up is still being compiled: %w", context.Cause(ctx)))
	}
	type result struct {
		plugin *Plugin
		err    error
	}
	results := make(chan result, 1)
	go func() {
		p, err := load(c)
		results <- result{p, err}
	}()
	select {
	case r := <-results:
		return r.plugin, r.err
	case <-ctx.Done():
	}
	abandoned.add()
	go func() {
		defer abandoned.remove()
		if r := <-results; r.plugin != nil {
			_ = r.plugin.Close(context.Background())
		}
	}()
	return nil, c.giveUp(context.Cause(ctx))
}

func (c *Config) giveUp(why error) error {
	return &LoadError{Plugin: c.Name, Problem: "compiling it was given up", Err: &givenUp{why}}
}

// givenUp is an ErrGivenUp that says why.
type givenUp struct{ why error }

func (e *givenUp) Error() string        { return e.why.Error() }
func (e *givenUp) Unwrap() error        { return e.why }
func (e *givenUp) Is(target error) bool { return target == ErrGivenUp }
