package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
)

// crowded is a queue with a slot that is taken and as many places as there are, which one client has. What is put into it notes its ID in order when it runs, which
// begins when free is closed.
func crowded(t *testing.T, places int) (q *Queue, order *[]string, free chan struct{}) {
	t.Helper()
	q, err := New(Config{Concurrency: 1, Length: places, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	order, free = new([]string), make(chan struct{})
	for i := range 1 + places {
		p, err := q.Reserve("greedy")
		if err != nil {
			t.Fatal(err)
		}
		p.Go(fmt.Sprint("greedy ", i), func(ctx context.Context) {
			if ctx.Err() == nil {
				<-free
				*order = append(*order, fmt.Sprint("greedy ", i))
			}
		})
	}
	return q, order, free
}

// TestNobodyKeepsAnotherOut: a client that fills the line neither keeps others out of it nor stands before them.
func TestNobodyKeepsAnotherOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, order, free := crowded(t, 3)
		if _, err := q.Reserve("greedy"); !errors.Is(err, ErrFull) {
			t.Fatalf("one more of who has all: %v", err)
		}
		for _, client := range []string{"a", "b"} {
			p, err := q.Reserve(client)
			if err != nil {
				t.Fatalf("%s is kept out: %v", client, err)
			}
			if _, err := q.Reserve(client); !errors.Is(err, ErrFull) {
				t.Errorf("%s has two more: %v", client, err)
			}
			p.Release()
			if p, err = q.Reserve(client); err != nil {
				t.Fatalf("%s is kept out after it gave its place back: %v", client, err)
			}
			p.Go(client, func(context.Context) { *order = append(*order, client) })
		}
		if s := q.Stats(); s.Waiting != 5 {
			t.Errorf("%d wait", s.Waiting)
		}
		close(free)
		synctest.Wait()
		if got := strings.Join(*order, ", "); got != "greedy 0, greedy 1, a, b, greedy 2, greedy 3" {
			t.Errorf("they ran as %s", got)
		}
		if len(q.held) != 0 || q.places != 0 || q.line.len != 0 || len(q.line.clients) != 0 {
			t.Errorf("left behind: %v, %d, %+v", q.held, q.places, q.line)
		}
		if err := q.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestTurnsAfterCancel: who leaves the line gives its turn to the next, and its place to whoever comes.
func TestTurnsAfterCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, order, free := crowded(t, 2)
		for _, client := range []string{"a", "b"} {
			q.AdmitStored(client, client, func(ctx context.Context) {
				if ctx.Err() == nil {
					*order = append(*order, client)
				}
			})
		}
		for _, id := range []string{"a", "greedy 1"} {
			if !q.Cancel(id) {
				t.Errorf("%s is not there", id)
			}
		}
		synctest.Wait()
		if q.Cancel("a") {
			t.Error("a is still there")
		}
		p, err := q.Reserve("a")
		if err != nil {
			t.Fatal(err)
		}
		p.Go("a again", func(context.Context) { *order = append(*order, "a again") })
		close(free)
		synctest.Wait()
		if got := strings.Join(*order, ", "); got != "greedy 0, greedy 2, b, a again" {
			t.Errorf("they ran as %s", got)
		}
		if len(q.held) != 0 || q.places != 0 || q.line.len != 0 || len(q.line.clients) != 0 {
			t.Errorf("left behind: %v, %d, %+v", q.held, q.places, q.line)
		}
		if err := q.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
