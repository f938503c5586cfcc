package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lookEvery is how often the connection of a caller is looked at whose command ends with it. soonest is the pause after
// something has changed; each pause is twice the last.
const (
	lookEvery = 250 * time.Millisecond
	soonest   = 5 * time.Millisecond
)

// sounded is when, after it was first in doubt, a caller is sounded out. Later its own system tells, which answers the probes
// of the connection's keep-alive with a reset once the caller is gone.
var sounded = []time.Duration{0, time.Second, 10 * time.Second}

// A vigil watches whether the caller of a job is still there, as long as the job's obligations are to end it when the caller
// leaves. [http.Request.Context] does not tell that: net/http ends it when a caller has sent all that it wants to send
// (shutdown(2)) and waits for its answer, and it does not end it when a caller sends one byte more and hangs up, because from
// that byte on net/http reads the connection no further. So the connection itself is looked at:
//
//   - Both directions are over, or it was reset: the caller is gone.
//   - The caller sends no more. On TCP that is how it looks at first in either case. It is sounded out with an interim
//     response, 100 Continue, which every client of HTTP/1.1 must be able to skip (RFC 9110, 15.2): the system of a caller
//     that is gone answers with a reset, and one that waits reads on.
//   - Neither, whatever it has sent: it is there. What it sent is not read, so that pipelined requests stay whole.
//
// A client of HTTP/1.0 cannot be sounded out; one that sends no more is taken as gone. Of HTTP/2, whose connection is always
// read, the context tells the truth, and it has to where the connection is not from a [Watchable] listener.
type vigil struct {
	due   <-chan time.Time // when to look
	timer *time.Timer
	stop  func() bool // of what looks early when the context ends

	request context.Context
	conn    syscall.RawConn // nil where only the context tells
	sound   func()          // sends something that callers must be able to skip; nil where there is nothing
	life    *life           // nil where no job ends with the caller

	pause   time.Duration
	doubted time.Time // when it was first seen to send no more
	probes  int       // how often it was sounded out
}

// watch begins a vigil, which is to be ended with its method end. Where no job ends with the caller, l is nil, and the caller is looked at only once the
// request's context has said that something happened.
func (g *Gateway) watch(w http.ResponseWriter, r *http.Request, l *life) *vigil {
	v := &vigil{request: r.Context(), life: l, timer: time.NewTimer(lookEvery), pause: lookEvery}
	if l == nil {
		v.timer.Stop() // before the context can set it
	}
	if r.ProtoAtLeast(1, 1) {
		v.sound = func() { w.WriteHeader(http.StatusContinue) }
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(watchableAddr); ok && r.ProtoMajor == 1 {
		v.conn = local.conn
	}
	v.due = v.timer.C
	v.stop = context.AfterFunc(r.Context(), func() { v.timer.Reset(0) })
	return v
}

func (v *vigil) end() {
	v.stop()
	v.timer.Stop()
}

// gone looks at the caller, and tells whether it has left a job that has to end with it. If not, due tells when to look again.
func (v *vigil) gone() bool {
	if v.life.endsWithCaller() && v.left() {
		v.due = nil // there is nothing more to look for
		return true
	}
	v.again()
	return false
}

// endsWithCaller tells whether a job ends when its caller leaves.
func (l *life) endsWithCaller() bool { return l.ruling.Load().obligations.OnDisconnect == "kill" }

// again has due tell when to look again.
func (v *vigil) again() {
	v.timer.Reset(v.pause)
	v.pause = min(2*v.pause, lookEvery)
}

func (v *vigil) left() bool {
	if v.conn == nil {
		return v.request.Err() != nil
	}
	state, err := lookAt(v.conn)
	switch {
	case err != nil, state&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0:
		return true
	case state&unix.POLLRDHUP == 0:
		return false
	case v.sound == nil:
		return true
	}
	if v.doubted.IsZero() {
		v.doubted = time.Now()
	}
	// Where there is no room to write, answers to earlier requests have not been taken, and do the same.
	if v.probes < len(sounded) && time.Since(v.doubted) >= sounded[v.probes] && state&unix.POLLOUT != 0 {
		v.probes++
		v.sound()
		v.pause = soonest
	}
	return false
}

// lookAt asks the kernel about a connection, without reading from it and without waiting.
func lookAt(conn syscall.RawConn) (state int16, err error) {
	looked := conn.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP | unix.POLLOUT}}
		for {
			if _, err = unix.Poll(fds, 0); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		state = fds[0].Revents
	})
	return state, errors.Join(looked, err)
}

// Watchable returns a listener whose connections a [Gateway] can look at while a command runs, so that on_disconnect: kill is
// not evaded and does not hit callers that wait. It goes below everything that wraps connections, TLS too. Connections that
// have no descriptor are passed on as they are.
func Watchable(l net.Listener) net.Listener { return watchableListener{l} }

type watchableListener struct{ net.Listener }

func (l watchableListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	socket, ok := c.(syscall.Conn)
	if !ok {
		return c, nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &watchableConn{c, raw}, nil
}

// A watchableConn tells by its local address, which net/http hands to handlers and which goes through whatever wraps the
// connection, how to look at it.
type watchableConn struct {
	net.Conn
	raw syscall.RawConn
}

var _ syscall.Conn = (*watchableConn)(nil)

func (c *watchableConn) LocalAddr() net.Addr { return watchableAddr{c.Conn.LocalAddr(), c.raw} }

// SyscallConn implements syscall.Conn.
func (c *watchableConn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

type watchableAddr struct {
	net.Addr
	conn syscall.RawConn
}
