package jobs

import (
	"slices"
	"time"
)

// line is who waits for a slot. Clients take turns, so that somebody with many jobs does not stand before everybody else; the jobs of one client stay in their order.
type line struct {
	clients []*fifo // whose turn is next comes first; none is empty
	len     int
}

func (l *line) push(e *entry) {
	at := slices.IndexFunc(l.clients, func(f *fifo) bool { return f.client == e.client })
	if at < 0 {
		at = len(l.clients)
		l.clients = append(l.clients, &fifo{client: e.client})
	}
	l.clients[at].push(e)
	l.len++
}

// pop takes the entry whose turn it is, nil when there is none.
func (l *line) pop() *entry {
	if len(l.clients) == 0 {
		return nil
	}
	f := l.clients[0]
	e := f.head
	l.remove(e)
	if f.head != nil { // the others come first now
		l.clients = append(slices.Delete(l.clients, 0, 1), f)
	}
	return e
}

// remove takes e out and tells whether it was in the line.
func (l *line) remove(e *entry) bool {
	f := e.in
	if f == nil {
		return false
	}
	f.remove(e)
	l.len--
	if f.head == nil {
		l.clients = slices.DeleteFunc(l.clients, func(other *fifo) bool { return other == f })
	}
	return true
}

// oldest is since when the entry waits that has waited longest; zero where nobody waits.
func (l *line) oldest() (since time.Time) {
	for _, f := range l.clients {
		if since.IsZero() || f.head.since.Before(since) {
			since = f.head.since
		}
	}
	return since
}

// fifo is a list of the waiting entries of a client; being intrusive, it removes a cancelled one from the middle in constant time.
type fifo struct {
	client     string
	head, tail *entry
}

func (f *fifo) push(e *entry) {
	e.in = f
	e.prev = f.tail
	if f.tail == nil {
		f.head = e
	} else {
		f.tail.next = e
	}
	f.tail = e
}

func (f *fifo) remove(e *entry) {
	if e.prev == nil {
		f.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		f.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next, e.in = nil, nil, nil
}
