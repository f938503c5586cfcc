package callback

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// A fakeStore is a Store in memory. Its fields are set before it is used, or under mu.
type fakeStore struct {
	mu      sync.Mutex
	rows    map[string]*fakeRow
	queues  map[string][]*fakeRow // what waits, by destination, in the order in which it is due
	settled []Settlement
	dues    int // how often Due was called
	surveys int // how often the first page of Waiting was asked for

	dueErr    error
	dueErrOf  string // the destination that dueErr is for; "" for all
	bodyErr   error
	beforeSet func(context.Context, Settlement) error // may refuse a settlement
	onSettle  func(Settlement)                        // takes settlements in the place of settled
}

type fakeRow struct {
	delivery Delivery
	body     []byte
	nextAt   time.Time
	state    State // Retry while it waits
}

// A parcel is a delivery with its body.
type parcel struct {
	Delivery
	body []byte
}

var _ Store = (*fakeStore)(nil)

func (s *fakeStore) add(ps ...parcel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows == nil {
		s.rows, s.queues = make(map[string]*fakeRow), make(map[string][]*fakeRow)
	}
	for _, p := range ps {
		d := p.Delivery
		if d.CreatedAt.IsZero() {
			d.CreatedAt = time.Now()
		}
		if dest, err := ParseDestination(d.URL); err == nil && d.Destination == "" {
			d.Destination = dest.Origin()
		}
		d.BodySize = int64(len(p.body))
		r := &fakeRow{d, p.body, d.CreatedAt, Retry}
		s.rows[d.ID] = r
		s.enqueue(r)
	}
}

func inOrder(a, b *fakeRow) int {
	return cmp.Or(a.nextAt.Compare(b.nextAt), cmp.Compare(a.delivery.ID, b.delivery.ID))
}

func (s *fakeStore) enqueue(r *fakeRow) {
	name := r.delivery.Destination
	i, _ := slices.BinarySearchFunc(s.queues[name], r, inOrder)
	s.queues[name] = slices.Insert(s.queues[name], i, r)
}

func (s *fakeStore) dequeue(r *fakeRow) {
	name := r.delivery.Destination
	i, found := slices.BinarySearchFunc(s.queues[name], r, inOrder)
	if !found {
		panic("not in the queue")
	}
	if s.queues[name] = slices.Delete(s.queues[name], i, i+1); len(s.queues[name]) == 0 {
		delete(s.queues, name)
	}
}

func (s *fakeStore) Waiting(_ context.Context, after string, limit int) (list []Waiting, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if after == "" {
		s.surveys++
	}
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if name > after && len(list) < limit {
			list = append(list, Waiting{name, s.queues[name][0].nextAt})
		}
	}
	if s.dueErrOf != "" {
		return list, nil
	}
	return list, s.dueErr
}

func (s *fakeStore) Due(_ context.Context, destination string, now time.Time, limit int) (due []Delivery, next time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dues++
	if s.dueErr != nil && (s.dueErrOf == "" || s.dueErrOf == destination) {
		return nil, time.Time{}, s.dueErr
	}
	for _, r := range s.queues[destination] {
		if len(due) == limit || r.nextAt.After(now) {
			return due, r.nextAt, nil
		}
		due = append(due, r.delivery)
	}
	return due, time.Time{}, nil
}

// A fakeBody is a body in memory.
type fakeBody struct {
	*bytes.Reader
	err error
}

func (b fakeBody) Verify() error { return b.err }
func (fakeBody) Close() error    { return nil }

func (s *fakeStore) Body(_ context.Context, id string) (Body, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rows[id]
	if r == nil || r.state == Delivered {
		return nil, errors.New("there is no such body")
	}
	return fakeBody{bytes.NewReader(r.body), s.bodyErr}, nil
}

func (s *fakeStore) Retry(_ context.Context, id string, at time.Time) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rows[id]
	if r == nil || r.state == Delivered {
		return "", errors.New("there is no such delivery any more")
	}
	if r.state == Retry {
		s.dequeue(r)
	}
	r.delivery.Earlier, r.delivery.Since, r.nextAt, r.state = r.delivery.Attempt, at, at, Retry
	s.enqueue(r)
	return r.delivery.Destination, nil
}

func (s *fakeStore) Settle(ctx context.Context, set Settlement) error {
	s.mu.Lock()
	before := s.beforeSet
	s.mu.Unlock()
	if before != nil {
		if err := before(ctx, set); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rows[set.ID]
	if r == nil || r.state != Retry {
		return errors.New("no such delivery is pending")
	}
	if s.onSettle != nil {
		s.onSettle(set)
	} else {
		s.settled = append(s.settled, set)
	}
	s.dequeue(r)
	r.delivery.Attempt, r.nextAt, r.state = set.Attempt, set.NextAt, set.State
	switch set.State {
	case Delivered:
		delete(s.rows, set.ID)
	case Retry:
		s.enqueue(r)
	}
	return nil
}

// of returns what was settled for one delivery, in order.
func (s *fakeStore) of(id string) (list []Settlement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, set := range s.settled {
		if set.ID == id {
			list = append(list, set)
		}
	}
	return list
}

// left returns how many deliveries wait, and dead how many were given up.
func (s *fakeStore) left() int { return s.in(Retry) }
func (s *fakeStore) dead() int { return s.in(Dead) }

func (s *fakeStore) in(state State) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if r.state == state {
			n++
		}
	}
	return n
}
