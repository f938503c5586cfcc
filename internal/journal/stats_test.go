package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	t.Parallel()
	h := newHistogram([]float64{1, 2.5}, 1000)
	for _, v := range []float64{0, 1, 1.5, 2.5, 2.501, 100} {
		h.add(v)
	}
	want := Histogram{Bounds: []float64{1, 2.5}, Counts: []uint64{2, 2, 2}, Sum: 107.501}
	if got := h.read(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, bounds := range [][]float64{commitTimeBounds, batchSizeBounds} {
		if !slices.IsSorted(bounds) {
			t.Errorf("%v are not in order", bounds)
		}
	}
}

func total(h Histogram) (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

func TestStats(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	a := admission("a")
	a.Leaves = [][]byte{[]byte("one"), []byte("two")}
	must(t, j.Admit(t.Context(), a))
	wantErr(t, j.Admit(t.Context(), a), ErrNonceUsed)
	err = j.writer.do(t.Context(), op{name: "fail", run: func(st *statements) error { return errors.Join(errors.New("boom"), st.exec(st.rollback)) }})
	if err == nil {
		t.Fatal("a lost transaction was acknowledged")
	}
	s := j.Stats()
	if s.Commits != 2 || s.Operations != 2 || s.Refused != 1 || s.Failures != 1 || total(s.BatchSize) != 2 || s.BatchSize.Sum != 2 || total(s.CommitTime) != 3 || s.CommitTime.Sum <= 0 {
		t.Errorf("%+v", s)
	}
	want := int64(len(a.Job.Command) + len(a.Job.Request) + len(a.Job.Spec))
	if s.Stored != want || s.AuditSize != 2 {
		t.Errorf("%+v, want %d bytes", s, want)
	}
	must(t, j.Close())
	if s := openTest(t, dir).Stats(); s.Stored != want || s.AuditSize != 2 || s.Commits != 0 {
		t.Errorf("opened again: %+v", s)
	}
}

func TestGauges(t *testing.T) {
	t.Parallel()
	c := testConfig(t.TempDir())
	c.Free = func(string) (int64, error) { return 12345, nil }
	j := openWith(t, c)
	got, err := j.Gauges(t.Context())
	must(t, err)
	if got.FileBytes == 0 || got.FreeBytes != 12345 {
		t.Errorf("%+v", got)
	}
	if got.FileBytes, got.WALBytes = 0, 0; got != (Gauges{FreeBytes: 12345}) {
		t.Errorf("an empty journal has %+v", got)
	}
	want := Gauges{FreeBytes: 12345, Accepted: 3, Running: 2, OldestAccepted: epoch.Add(time.Minute), Pending: 2, Dead: 1, OldestPending: epoch.Add(2 * time.Hour)}
	for i := range 3 {
		a := admission(fmt.Sprint(i))
		a.Job.AcceptedAt = epoch.Add(time.Duration(i+1) * time.Minute)
		must(t, j.Admit(t.Context(), a))
	}
	inState(t, j, Running)
	inState(t, j, Running)
	for i, state := range []DeliveryState{Delivered, Dead, Pending, Pending} {
		id := finishAt(t, j, epoch.Add(time.Duration(i)*time.Hour))
		must(t, j.Settle(t.Context(), Settlement{DeliveryID: id, State: state, NextAt: epoch.AddDate(1, 0, -i), At: epoch}))
	}
	got, err = j.Gauges(t.Context())
	must(t, err)
	if got.FileBytes, got.WALBytes = 0, 0; got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	j.free = func(string) (int64, error) { return freeBytes(filepath.Join(t.TempDir(), "nowhere")) }
	if _, err := j.Gauges(t.Context()); err == nil {
		t.Error("no error where the free space is not known")
	}
}
