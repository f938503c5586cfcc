package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestCancelRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1, 0)
		var cause error
		reserve(t, q).Go("a", func(ctx context.Context) {
			<-ctx.Done()
			cause = context.Cause(ctx)
		})
		if q.Cancel("b") {
			t.Error("an unknown job was cancelled")
		}
		if !q.Cancel("a") {
			t.Error("the running job was not found")
		}
		synctest.Wait()
		if !errors.Is(cause, ErrCancelled) {
			t.Errorf("cause %v, want ErrCancelled", cause)
		}
		if q.Cancel("a") {
			t.Error("a job that has ended was cancelled")
		}
		if s := q.Stats(); s != (Stats{}) {
			t.Errorf("at the end: %+v", s)
		}
	})
}

func TestCancelWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1, 3)
		gate := make(chan struct{})
		var order []string
		reserve(t, q).Go("first", func(context.Context) { <-gate })
		for _, id := range []string{"a", "b", "c"} {
			reserve(t, q).Go(id, func(ctx context.Context) {
				if err := context.Cause(ctx); err != nil {
					id += ":" + err.Error()
				}
				order = append(order, id)
			})
		}
		if !q.Cancel("b") {
			t.Fatal("the waiting job was not found")
		}
		synctest.Wait()
		if got := strings.Join(order, " "); got != "b:"+ErrCancelled.Error() {
			t.Errorf("run of the cancelled job alone should have been called, with a cancelled context: %q", got)
		}
		if s := q.Stats(); s.Waiting != 2 {
			t.Errorf("after the cancel: %+v", s)
		}
		reserve(t, q).Release() // its place is free again
		close(gate)
		synctest.Wait()
		if got := strings.Join(order[1:], " "); got != "a c" {
			t.Errorf("the others ran as %q", got)
		}
	})
}

// A cancelled job keeps its place until it has recorded its end.
func TestCancelledJobHoldsItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1, 1)
		gate, recorded := make(chan struct{}), make(chan struct{})
		reserve(t, q).Go("first", func(context.Context) { <-gate })
		reserve(t, q).Go("a", func(context.Context) { <-recorded })
		q.Cancel("a")
		synctest.Wait()
		if _, err := q.Reserve("c"); !errors.Is(err, ErrFull) {
			t.Errorf("Reserve: %v, want ErrFull", err)
		}
		close(recorded)
		synctest.Wait()
		reserve(t, q).Release()
		close(gate)
	})
}

func TestPanicFreesTheSlotAndIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		q, err := New(Config{Concurrency: 1, Length: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ran := false
		reserve(t, q).Go("bad", func(context.Context) { panic("boom") })
		reserve(t, q).Go("gone", func(context.Context) { runtime.Goexit() })
		reserve(t, q).Go("good", func(context.Context) { ran = true })
		synctest.Wait()
		if !ran {
			t.Error("the job after the panic did not run")
		}
		for _, want := range []string{"job=bad", "boom", "queue_test.go"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not name %q: %s", want, &log)
			}
		}
		if s := q.Stats(); s != (Stats{}) {
			t.Errorf("at the end: %+v", s)
		}
	})
}

func TestDrainLeavesTheWaitingAndAwaitsTheRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 2, 3)
		gate := make(chan struct{})
		var ended atomic.Int32
		reserve(t, q).Go("running", func(ctx context.Context) {
			<-gate
			if ctx.Err() == nil {
				ended.Add(1)
			}
		})
		committed := reserve(t, q) // holds a slot; its journal entry says "running", so it has to run
		never := func(context.Context) { t.Error("a job that should be left was run") }
		left := reserve(t, q).Go("waiting", never)
		late := reserve(t, q)

		drained := make(chan error, 2)
		go func() { drained <- q.Drain(t.Context()) }()
		go func() { drained <- q.Drain(t.Context()) }()
		synctest.Wait()
		<-left
		if _, err := q.Reserve("c"); !errors.Is(err, ErrClosed) {
			t.Errorf("Reserve while draining: %v, want ErrClosed", err)
		}
		<-late.Go("late", never)
		<-q.AdmitStored("stored", "c", never)
		committed.Go("committed", func(ctx context.Context) {
			if ctx.Err() == nil {
				ended.Add(1)
			}
		})
		synctest.Wait()
		if len(drained) != 0 {
			t.Fatal("Drain did not wait for the running job")
		}
		close(gate)
		for range 2 {
			if err := <-drained; err != nil {
				t.Errorf("Drain: %v", err)
			}
		}
		if ended.Load() != 2 {
			t.Errorf("%d of 2 jobs ended undisturbed", ended.Load())
		}
		if s := q.Stats(); s != (Stats{}) {
			t.Errorf("at the end: %+v", s)
		}
	})
}

func TestDrainCancelsAfterTheGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 2, 0)
		began := time.Now()
		var causes [2]error
		reserve(t, q).Go("slow", func(ctx context.Context) {
			<-ctx.Done()
			causes[0] = context.Cause(ctx)
			time.Sleep(3 * time.Second) // killing a process group takes a moment, and Drain waits for it
		})
		late := reserve(t, q)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		time.AfterFunc(12*time.Second, func() {
			late.Go("late", func(ctx context.Context) { causes[1] = context.Cause(ctx) })
		})
		if err := q.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain: %v, want the end of the grace", err)
		}
		if took := time.Since(began); took != 13*time.Second {
			t.Errorf("Drain took %v, want 10 s of grace and 3 s of killing", took)
		}
		for i, cause := range causes {
			if !errors.Is(cause, ErrShutdown) {
				t.Errorf("cause of job %d: %v, want ErrShutdown", i, cause)
			}
		}
		if err := q.Drain(t.Context()); err != nil {
			t.Errorf("a second Drain: %v", err)
		}
	})
}

func TestDrainOfAnIdleQueue(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, 1)
	p := reserve(t, q)
	p.Release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Drain(ctx); err != nil {
		t.Errorf("Drain with nothing to wait for: %v", err)
	}
}

func TestOldestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1, 2)
		gate := make(chan struct{})
		reserve(t, q).Go("running", func(context.Context) { <-gate })
		reserve(t, q).Go("oldest", func(context.Context) {})
		time.Sleep(time.Minute)
		held := reserve(t, q) // which nobody waits in
		if s := q.Stats(); s != (Stats{Running: 1, Waiting: 1, OldestWait: time.Minute}) {
			t.Errorf("%+v", s)
		}
		held.Release()
		close(gate)
	})
}

// Ten thousand tiny jobs from many callers: none lost, none twice, never more at once than there are slots, and nothing left behind.
func TestManyTinyJobs(t *testing.T) {
	t.Parallel()
	const total, concurrency, length = 10_000, 64, 256
	q := newQueue(t, concurrency, length)
	var (
		runs         [total]atomic.Int32
		now, most    atomic.Int32
		callers, all sync.WaitGroup
		next         atomic.Int32
	)
	all.Add(total)
	job := func(i int) func(context.Context) {
		return func(context.Context) {
			defer all.Done()
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			runs[i].Add(1)
			runtime.Gosched()
			now.Add(-1)
		}
	}
	for range 128 {
		callers.Go(func() {
			for i := int(next.Add(1)) - 1; i < total; i = int(next.Add(1)) - 1 {
				p, err := q.Reserve("c")
				for errors.Is(err, ErrFull) {
					runtime.Gosched()
					p, err = q.Reserve("c")
				}
				id := fmt.Sprint(i)
				p.Go(id, job(i))
				if i%10 == 0 {
					q.Cancel(id)
				}
			}
		})
	}
	callers.Wait()
	all.Wait()
	if err := q.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	for i := range runs {
		if n := runs[i].Load(); n != 1 {
			t.Fatalf("run of job %d was called %d times", i, n)
		}
	}
	// A job that was cancelled in line records its end beside the slots, within the bounds of the line.
	if m := most.Load(); m > concurrency+length {
		t.Errorf("%d jobs at once", m)
	}
	if s := q.Stats(); s != (Stats{}) || len(q.known) != 0 || q.free != concurrency || q.places != 0 {
		t.Errorf("at the end: %+v, %d known, %d of %d slots free, %d places taken", s, len(q.known), q.free, concurrency, q.places)
	}
}

func TestConcurrencyIsNeverExceeded(t *testing.T) {
	t.Parallel()
	const concurrency = 4
	q := newQueue(t, concurrency, 1000)
	var (
		now  atomic.Int32
		over atomic.Bool
		all  sync.WaitGroup
	)
	all.Add(1000)
	for i := range 1000 {
		reserve(t, q).Go(fmt.Sprint(i), func(context.Context) {
			defer all.Done()
			if now.Add(1) > concurrency {
				over.Store(true)
			}
			runtime.Gosched()
			now.Add(-1)
		})
	}
	all.Wait()
	if over.Load() {
		t.Errorf("more than %d jobs ran at once", concurrency)
	}
}

func BenchmarkQueue(b *testing.B) {
	q := newQueue(b, 64, 1024)
	run := func(context.Context) {}
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p, err := q.Reserve("c")
			for err != nil {
				runtime.Gosched()
				p, err = q.Reserve("c")
			}
			p.Go(fmt.Sprint(next.Add(1)), run)
		}
	})
	if err := q.Drain(b.Context()); err != nil {
		b.Error(err)
	}
}
