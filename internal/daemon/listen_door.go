package daemon

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A door is a listener with the server behind it, and knows the connections that came in. It is closed in steps, so that nobody who has sent a request goes
// without an answer: no more connections, then each connection after its next answer, then those on which nothing was sent. Who comes to a listener of our own
// after that is let in again, to be told that there is no new work; on one that was passed he waits for the next gateway.
//
// [http.Server.Shutdown] alone closes a connection that it holds for idle while the request that has just come in on it is being read: the request is carried out,
// and its answer goes nowhere.
type door struct {
	net.Listener
	server *http.Server
	admin  bool
	passed bool // the listener is the service manager's, which keeps it
	most   int  // visitors at once

	closed  func() error  // once
	shut    chan struct{} // closed with it
	leaving atomic.Bool   // every answer is the last of its connection
	turning chan struct{} // closed when who comes is turned away

	mu       sync.Mutex
	visitors map[*visitor]struct{}
	room     chan struct{} // has one place: a visitor has gone
	emptied  chan struct{} // closed when leaving and the last visitor has gone
}

// newDoor takes over both. The server must not serve yet.
func newDoor(l net.Listener, server *http.Server, admin bool, most int) *door {
	d := &door{
		Listener: l, server: server, admin: admin, most: most, shut: make(chan struct{}), turning: make(chan struct{}),
		visitors: map[*visitor]struct{}{}, room: make(chan struct{}, 1), emptied: make(chan struct{}),
	}
	d.closed = sync.OnceValue(func() error {
		close(d.shut)
		return l.Close()
	})
	next := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
	server.ConnState = func(c net.Conn, state http.ConnState) {
		if v := visitorOf(c); v != nil {
			v.turn(state)
		}
	}
	return d
}

// serve serves until the server is shut down. That the door was closed before is no error.
func (d *door) serve() error {
	var err error
	if d.server.TLSConfig != nil {
		err = d.server.ServeTLS(d, "", "")
	} else {
		err = d.server.Serve(d)
	}
	if errors.Is(err, http.ErrServerClosed) || d.leaving.Load() && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !d.wait() || !d.makeRoom() {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	v := &visitor{Conn: c, door: d, resting: true, since: time.Now()}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.visitors[v] = struct{}{}
	return v, nil
}

// wait returns when somebody who has come may be let in, or false when the door is shut. Who was taken from a socket that was passed is let in in any
// case: nobody else can have him.
func (d *door) wait() bool {
	if d.passed || !d.leaving.Load() {
		return true
	}
	select {
	case <-d.turning:
		return true
	case <-d.shut:
		return false
	}
}

// Close implements net.Listener. It may be called again.
func (d *door) Close() error { return d.closed() }

// leave lets nobody in any more, and has every connection end with its next answer.
func (d *door) leave() error {
	d.leaving.Store(true)
	var err error
	if d.passed {
		err = d.Close()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.look()
	return err
}

// turnAway lets those in again who come to a listener of our own, now that all of them are told that there is no new work. It is called once, after leave.
func (d *door) turnAway() { close(d.turning) }

// look notes that nobody is left. The caller holds mu.
func (d *door) look() {
	if len(d.visitors) > 0 || !d.leaving.Load() {
		return
	}
	select {
	case <-d.emptied:
	default:
		close(d.emptied)
	}
}

// dismiss cuts the connections on which nothing of a request has come.
func (d *door) dismiss() {
	d.mu.Lock()
	visitors := make([]*visitor, 0, len(d.visitors))
	for v := range d.visitors {
		visitors = append(visitors, v)
	}
	d.mu.Unlock()
	for _, v := range visitors {
		v.dismiss()
	}
}

// A visitor is a connection.
type visitor struct {
	net.Conn
	door *door

	mu      sync.Mutex
	resting bool      // nothing was read since the last answer
	busy    bool      // a request is being answered
	since   time.Time // when it came, or had its last answer
	stirred time.Time // when something was read after that
	cut     bool
	gone    sync.Once
}

// visitorOf finds the visitor below what TLS makes of it.
func visitorOf(c net.Conn) *visitor {
	if over, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = over.NetConn()
	}
	v, _ := c.(*visitor)
	return v
}

// Read implements net.Conn. What comes in at the moment in which the connection is cut is not handed on: then nobody acts on it.
func (v *visitor) Read(b []byte) (int, error) {
	n, err := v.Conn.Read(b)
	if n == 0 {
		return n, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cut {
		return 0, net.ErrClosed
	}
	if v.resting {
		v.resting, v.stirred = false, time.Now()
	}
	return n, err
}

// turn notes what net/http says of the connection.
func (v *visitor) turn(state http.ConnState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch state {
	case http.StateActive:
		v.busy = true
	case http.StateIdle:
		v.busy, v.resting, v.since = false, true, time.Now()
	}
}

func (v *visitor) dismiss() {
	v.mu.Lock()
	cut := v.resting && !v.cut
	v.cut = v.cut || cut
	v.mu.Unlock()
	if cut {
		_ = v.Close()
	}
}

// Close implements net.Conn.
func (v *visitor) Close() error {
	err := v.Conn.Close()
	v.gone.Do(func() {
		v.door.mu.Lock()
		defer v.door.mu.Unlock()
		delete(v.door.visitors, v)
		select {
		case v.door.room <- struct{}{}:
		default:
		}
		v.door.look()
	})
	return err
}
