package wasm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// errNoTurn means that a call has waited for its turn as long as it may.
var errNoTurn = errors.New("the turn of this call did not come")

// turns hand out the slots of one plugin: how many of its calls may go on at once, and whose is next where more are wanted.
// They are safe for concurrent use.
//
// A slot that falls free goes to the client that holds the fewest, of those that wait; among equals to the one that has
// waited longest, or whose turn is longest ago; and of one client's calls to the oldest. ([golang.org/x/sync/semaphore] goes
// by the age of a call alone, so that a hundred calls of one client come before the first of another.) It follows that:
//
//   - no slot is free while a call waits, so a client that is alone has all of them;
//   - nobody is given a slot while somebody waits who holds fewer, so where k clients keep waiting for n slots, nobody is
//     given more than n/k of them, rounded up;
//   - a client that holds none, and waits as one of k, has its turn at the latest with the k-th slot that falls free,
//     however many calls the others make.
type turns struct {
	mu    sync.Mutex
	free  int            // 0 while anybody waits
	held  map[string]int // slots, by client; those who hold none are not in it
	lines []line         // of the clients that wait, in the order that decides among equals
}

// A line is the calls of one client that wait, the oldest first. The channel of one is closed when it is given its slot.
type line struct {
	client string
	calls  []chan struct{}
}

func newTurns(slots int) *turns {
	return &turns{free: slots, held: make(map[string]int)}
}

// take waits for a slot, which give returns: no longer than patience, after which it fails with errNoTurn, and only while ctx
// lasts, after which it fails with its error. Of what is left of ctx it uses half at most, so that a call that is given its
// slot late has time too.
func (t *turns) take(ctx context.Context, client string, patience time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	turn := t.join(client)
	if turn == nil {
		return nil
	}
	if end, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(end)/2)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-turn:
		return nil
	case <-timer.C:
		if t.leave(client, turn) {
			return fmt.Errorf("%w within %v", errNoTurn, patience.Round(time.Millisecond))
		}
		return nil // it came at this very moment
	case <-ctx.Done():
		if !t.leave(client, turn) {
			t.give(client)
		}
		return ctx.Err()
	}
}

// join takes a free slot, or stands in line and returns what is closed when there is one.
func (t *turns) join(client string) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.free > 0 {
		t.free--
		t.held[client]++
		return nil
	}
	at := t.find(client)
	if at < 0 {
		at = len(t.lines)
		t.lines = append(t.lines, line{client: client})
	}
	turn := make(chan struct{})
	t.lines[at].calls = append(t.lines[at].calls, turn)
	return turn
}

// leave takes a call out of its line. It reports false if that has been given a slot already.
func (t *turns) leave(client string, turn chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.find(client)
	if at < 0 {
		return false
	}
	l := &t.lines[at]
	i := slices.Index(l.calls, turn)
	if i < 0 {
		return false
	}
	if l.calls = slices.Delete(l.calls, i, i+1); len(l.calls) == 0 {
		t.lines = slices.Delete(t.lines, at, at+1)
	}
	return true
}

// give returns a slot that take got, and passes it on to whoever is next.
func (t *turns) give(client string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass(client)
}

// pass is give with t.mu held.
func (t *turns) pass(client string) {
	if left := t.held[client] - 1; left > 0 {
		t.held[client] = left
	} else {
		delete(t.held, client)
	}
	if len(t.lines) == 0 {
		t.free++
		return
	}
	at := 0
	for i := range t.lines {
		if t.held[t.lines[i].client] < t.held[t.lines[at].client] {
			at = i
		}
	}
	next := t.lines[at]
	t.lines = slices.Delete(t.lines, at, at+1)
	close(next.calls[0])
	t.held[next.client]++
	if next.calls = slices.Delete(next.calls, 0, 1); len(next.calls) > 0 {
		t.lines = append(t.lines, next)
	}
}

func (t *turns) find(client string) int {
	return slices.IndexFunc(t.lines, func(l line) bool { return l.client == client })
}

// count returns how many slots are taken, and how many calls wait for one.
func (t *turns) count() (running, waiting int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.held {
		running += n
	}
	for i := range t.lines {
		waiting += len(t.lines[i].calls)
	}
	return running, waiting
}
