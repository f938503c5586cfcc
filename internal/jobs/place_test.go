package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

func TestNewRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{}, {Concurrency: -1, Length: 1}, {Concurrency: 1, Length: -1}} {
		if _, err := New(c); err == nil {
			t.Errorf("New(%+v) is accepted", c)
		}
	}
	if _, err := New(Config{Concurrency: 1}); err != nil {
		t.Errorf("a queue in which nothing waits: %v", err)
	}
}

func TestReserveBounds(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 2, 3)
	var places []*Place
	for range 5 {
		places = append(places, reserve(t, q))
	}
	var immediate []bool
	for _, p := range places {
		immediate = append(immediate, p.Immediate())
	}
	if want := []bool{true, true, false, false, false}; !slices.Equal(immediate, want) {
		t.Errorf("Immediate of five places: %v, want %v", immediate, want)
	}
	if _, err := q.Reserve("c"); !errors.Is(err, ErrFull) {
		t.Fatalf("sixth Reserve: %v, want ErrFull", err)
	}

	places[4].Release()
	if p := reserve(t, q); p.Immediate() {
		t.Error("a released waiting place came back as a slot")
	}
	places[0].Release()
	places[0].Release() // harmless
	if p := reserve(t, q); !p.Immediate() {
		t.Error("a released slot came back as a waiting place")
	}
	if _, err := q.Reserve("c"); !errors.Is(err, ErrFull) {
		t.Errorf("releasing twice made room for two: %v", err)
	}
}

func TestOrderIsFirstComeFirstServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1, 10)
		var (
			mu    sync.Mutex
			order []string
		)
		gate := make(chan struct{})
		for i := range 10 {
			id := fmt.Sprint(i)
			reserve(t, q).Go(id, func(context.Context) {
				<-gate
				mu.Lock()
				defer mu.Unlock()
				order = append(order, id)
			})
		}
		synctest.Wait()
		if s := q.Stats(); s.Running != 1 || s.Waiting != 9 {
			t.Errorf("with one slot and ten jobs: %+v", s)
		}
		close(gate)
		synctest.Wait()
		if want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
	})
}

// A place that was reserved while all slots were taken runs at once if a slot has become free before Go.
func TestWaitingPlaceFindsFreeSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1, 1)
		first, second := reserve(t, q), reserve(t, q)
		first.Release()
		ran := false
		left := second.Go("a", func(context.Context) { ran = true })
		synctest.Wait()
		if !ran {
			t.Fatal("the job waits although the slot is free")
		}
		select {
		case <-left:
			t.Error("a job that ran counts as left")
		default:
		}
		if p := reserve(t, q); !p.Immediate() {
			t.Error("the slot did not come back")
		}
	})
}

func TestMisuseOfAPlacePanics(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 4, 0)
	gate, started := make(chan struct{}), make(chan struct{})
	run := func(context.Context) { close(started); <-gate }
	mustPanic := func(what string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s does not panic", what)
			}
		}()
		f()
	}
	p := reserve(t, q)
	p.Go("a", run)
	<-started
	mustPanic("a second Go", func() { p.Go("b", run) })
	released := reserve(t, q)
	released.Release()
	mustPanic("Go after Release", func() { released.Go("c", run) })
	twin := reserve(t, q)
	mustPanic("a second job with the same ID", func() { twin.Go("a", run) })
	mustPanic("a stored job with the same ID", func() { q.AdmitStored("a", "c", run) })
	p.Release() // harmless after Go
	twin.Release()
	if s := q.Stats(); s != (Stats{Running: 1}) {
		t.Errorf("after the panics: %+v, want only job a", s)
	}
	close(gate)
	if err := q.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStoredJobsAreNeverRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1, 2)
		gate := make(chan struct{})
		ran := 0
		for i := range 10 {
			q.AdmitStored(fmt.Sprint(i), "c", func(context.Context) { <-gate; ran++ })
		}
		synctest.Wait()
		if s := q.Stats(); s.Running != 1 || s.Waiting != 9 {
			t.Fatalf("after ten stored jobs: %+v", s)
		}
		if _, err := q.Reserve("c"); !errors.Is(err, ErrFull) {
			t.Errorf("Reserve beyond the length: %v, want ErrFull", err)
		}
		close(gate)
		synctest.Wait()
		if ran != 10 {
			t.Errorf("%d of 10 stored jobs ran", ran)
		}
		for range 3 {
			reserve(t, q) // the bounds are back to normal
		}
		if _, err := q.Reserve("c"); !errors.Is(err, ErrFull) {
			t.Errorf("Reserve beyond the length: %v, want ErrFull", err)
		}
	})
}
