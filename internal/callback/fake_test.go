package callback

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A fakeNet carries connections over net.Pipe, on which a synctest bubble can
// tell that everybody waits. Nobody answers but the hosts that serve.
type fakeNet struct {
	mu     sync.Mutex
	hosts  map[string]chan net.Conn
	dialed []string
}

// dialTimeout is how long a dial goes on, as in package egress: the transport goes on dialing when its request has ended.
const dialTimeout = 10 * time.Second

func (n *fakeNet) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
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
	logs  *logs
	cfg   Config
	end   func()
	done  chan error
}

// inWorld runs test in a bubble, and ends everything afterwards: synctest fails
// if a goroutine is left.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	alone(t, test)
}

// alone is inWorld without other tests at the same time, for a test that looks at what the process uses.
func alone(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, store: &fakeStore{}, net: &fakeNet{}, logs: &logs{}, done: make(chan error, 1)}
		transport := &http.Transport{
			DialContext: w.net.DialContext, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 32 << 10, // as package egress has it
		}
		t.Cleanup(func() { // the last one
			transport.CloseIdleConnections()
			time.Sleep(dialTimeout)
		})
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

// logs is what was logged.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logs) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

// usage is what the process uses.
type usage struct {
	goroutines int
	heap       uint64
}

func (w *world) usage() usage {
	synctest.Wait()
	w.logs.forget()
	runtime.GC()
	runtime.GC() // what the first one finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{runtime.NumGoroutine(), m.HeapAlloc}
}

// within fails the test when there is more in use than before, but for a few connections.
func (u usage) within(w *world, before usage) {
	w.Helper()
	if u.goroutines > before.goroutines+20 || u.heap > before.heap+1<<20 {
		w.Errorf("%d goroutines and %d bytes are in use, before there were %d and %d", u.goroutines, u.heap, before.goroutines, before.heap)
	}
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
	w.store.add(parcel{Delivery{ID: "one", JobID: "job", URL: url}, []byte(`{"kwargs":{}}`)})
	w.run()
	time.Sleep(runFor)
	synctest.Wait()
	return w.store.of("one")
}

func deliveries(n int, prefix, url string) []parcel {
	list := make([]parcel, n)
	for i := range list {
		list[i] = parcel{Delivery{ID: fmt.Sprintf("%s%05d", prefix, i), URL: url}, []byte("{}")}
	}
	return list
}
