package auth

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"golang.org/x/sys/unix"
)

// ListenPeers returns a listener that takes the connections of l, a listener on
// a Unix socket, and asks the kernel once, as it accepts each, who connected.
// [ConnContext] hands that to [PeerOf]. Closing it closes l.
//
// The remote address of such a connection is its peer and not the name that the
// peer may have bound its own socket to: that name is the peer's choice, and
// could read as an IP address. A connection of which the kernel does not say who
// made it is accepted, and has no peer.
func ListenPeers(l net.Listener) net.Listener { return peerListener{l} }

type peerListener struct{ net.Listener }

func (l peerListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	peer, err := askPeer(c)
	if err != nil {
		return peerConn{c, &net.UnixAddr{Net: "unix"}}, nil
	}
	return peerConn{c, peerAddr(peer)}, nil
}

// Close implements net.Conn.
func (c peerConn) Close() error {
	err := c.Conn.Close()
	if peer, ok := c.remote.(peerAddr); ok {
		_ = peer.process.close() // nothing was written
	}
	return err
}

// A peerConn is a connection whose remote address is told by this package.
type peerConn struct {
	net.Conn
	remote net.Addr
}

func (c peerConn) RemoteAddr() net.Addr { return c.remote }

// A peerAddr is a Peer in the place of an address. Nobody outside of this package
// can make one, and it goes through whatever wraps the connection afterwards.
type peerAddr Peer

var _ net.Addr = peerAddr{}

func (peerAddr) Network() string { return "unix" }

func (a peerAddr) String() string { return fmt.Sprintf("uid %d, process %d", a.UID, a.PID) }

// askPeer asks the kernel who connected (SO_PEERCRED in unix(7)). What it returns holds a descriptor, which closing the connection closes.
func askPeer(c net.Conn) (Peer, error) {
	socket, ok := c.(syscall.Conn)
	if !ok || c.LocalAddr().Network() != "unix" {
		return Peer{}, ErrNoPeer
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *unix.Ucred
	var asked error
	var process *peerProcess
	if err := raw.Control(func(fd uintptr) {
		if cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); asked == nil {
			process = askProcess(int(fd), int(cred.Pid))
		}
	}); err != nil {
		return Peer{}, err
	}
	if asked != nil {
		return Peer{}, asked
	}
	return Peer{UID: cred.Uid, GID: cred.Gid, PID: int(cred.Pid), process: process}, nil
}

type peerKey struct{}

// ConnContext is for the field of this name in an http.Server that serves a
// listener of [ListenPeers]; for every other connection it changes nothing. The
// context of a request is the only way that net/http has from a connection to a
// handler. What it holds is a fact about the connection, put in here and taken out
// in [PeerOf] only: who the client is goes on from there as an argument.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if peer, ok := c.RemoteAddr().(peerAddr); ok {
		return context.WithValue(ctx, peerKey{}, Peer(peer))
	}
	return ctx
}

// PeerOf returns who is at the other end of the connection that a request came by.
// It returns [ErrNoPeer] where the kernel does not say, which is so for every
// connection over TCP.
func PeerOf(r *http.Request) (Peer, error) {
	peer, ok := r.Context().Value(peerKey{}).(Peer)
	if !ok {
		return Peer{}, ErrNoPeer
	}
	return peer, nil
}
