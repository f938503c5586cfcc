package callback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A fakeStore is a Store in memory.
type fakeStore struct {
	mu        sync.Mutex
	pending   map[string]fakeRow
	settled   []Settlement
	dueErr    error
	beforeSet func(context.Context, Settlement) error // may refuse a settlement
	dues      int                                     // how often Due was called
}

type fakeRow struct {
	delivery Delivery
	nextAt   time.Time
}

var _ Store = (*fakeStore)(nil)

func (s *fakeStore) add(ds ...Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == nil {
		s.pending = make(map[string]fakeRow)
	}
	for _, d := range ds {
		if d.CreatedAt.IsZero() {
			d.CreatedAt = time.Now()
		}
		s.pending[d.ID] = fakeRow{d, d.CreatedAt}
	}
}

func (s *fakeStore) Due(_ context.Context, now time.Time, limit int) (due []Delivery, next time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dues++
	if s.dueErr != nil {
		return nil, time.Time{}, s.dueErr
	}
	rows := make([]fakeRow, 0, len(s.pending))
	for _, r := range s.pending {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b fakeRow) int {
		return cmp.Or(a.nextAt.Compare(b.nextAt), cmp.Compare(a.delivery.ID, b.delivery.ID))
	})
	for _, r := range rows {
		if len(due) == limit || r.nextAt.After(now) {
			return due, r.nextAt, nil
		}
		due = append(due, r.delivery)
	}
	return due, time.Time{}, nil
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
	r, ok := s.pending[set.ID]
	if !ok {
		return errors.New("no such delivery is pending")
	}
	s.settled = append(s.settled, set)
	if set.State != Retry {
		delete(s.pending, set.ID)
		return nil
	}
	r.delivery.Attempt, r.nextAt = set.Attempt, set.NextAt
	s.pending[set.ID] = r
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

func (s *fakeStore) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending)
}

// A fakeNet carries connections over net.Pipe, on which a synctest bubble can
// tell that everybody waits. Nobody answers but the hosts that serve.
type fakeNet struct {
	mu     sync.Mutex
	hosts  map[string]chan net.Conn
	dialed []string
}

func (n *fakeNet) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, addr)
	host := n.hosts[addr]
	n.mu.Unlock()
	if host == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	select {
	case host <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *fakeNet) dials() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.dialed)
}

func (n *fakeNet) listen(addr string) *fakeListener {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts == nil {
		n.hosts = make(map[string]chan net.Conn)
	}
	l := &fakeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	n.hosts[addr] = l.conns
	return l
}

type fakeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *fakeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *fakeListener) Addr() net.Addr { return &net.TCPAddr{} }

// A world is a deliverer with its store and its network, in a bubble with its
// own time.
type world struct {
	*testing.T
	store *fakeStore
	net   *fakeNet
	logs  *strings.Builder
	cfg   Config
	end   func()
	done  chan error
}

// inWorld runs test in a bubble, and ends everything afterwards: synctest fails
// if a goroutine is left.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, store: &fakeStore{}, net: &fakeNet{}, logs: &strings.Builder{}, done: make(chan error, 1)}
		transport := &http.Transport{DialContext: w.net.DialContext}
		defer transport.CloseIdleConnections()
		w.cfg = Config{
			Store:    w.store,
			Client:   &http.Client{Transport: transport},
			Allowed:  func(Destination) bool { return true },
			Timeout:  10 * time.Second,
			Attempts: 12,
			MaxAge:   24 * time.Hour,
			Logger:   slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}
		test(w)
	})
}

// serve answers on addr until the test ends.
func (w *world) serve(addr string, handle http.HandlerFunc) {
	l := w.net.listen(addr)
	server := &http.Server{Handler: handle, ErrorLog: log.New(io.Discard, "", 0)}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		server.Serve(l)
	}()
	w.Cleanup(func() {
		server.Close()
		<-stopped
	})
}

// raw hands each connection on addr to handle, which need not speak HTTP.
func (w *world) raw(addr string, handle func(net.Conn)) {
	l := w.net.listen(addr)
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	w.Cleanup(func() {
		l.Close()
		conns.Wait()
	})
}

// run starts the deliverer and ends it with the test.
func (w *world) run() *Deliverer {
	w.Helper()
	d, err := New(w.cfg)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.Context())
	w.end = sync.OnceFunc(func() {
		cancel()
		if err := <-w.done; err != nil {
			w.Errorf("Run returned %v", err)
		}
	})
	go func() { w.done <- d.Run(ctx) }()
	w.Cleanup(w.end)
	return d
}

// one adds a delivery to url, runs for some time, and returns its settlements.
func (w *world) one(url string, runFor time.Duration) []Settlement {
	w.Helper()
	w.store.add(Delivery{ID: "one", JobID: "job", URL: url, Body: []byte(`{"kwargs":{}}`)})
	w.run()
	time.Sleep(runFor)
	synctest.Wait()
	return w.store.of("one")
}

func deliveries(n int, prefix, url string) []Delivery {
	list := make([]Delivery, n)
	for i := range list {
		list[i] = Delivery{ID: fmt.Sprintf("%s%05d", prefix, i), URL: url, Body: []byte("{}")}
	}
	return list
}
