package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// A Socket is one that the service manager listens on for this process. Closing it closes this process's part: callers go on connecting to it, and wait for
// whoever takes it next.
type Socket struct {
	net.Listener
	Name string // FileDescriptorName= of its unit; the unit's own name by default
}

// Sockets takes over the sockets that were passed to this process, and takes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES out of the environment. It may be called
// once. What is passed and is not a stream socket that listens is an error that names it; everything is closed then. The caller closes the sockets.
func Sockets() (sockets []Socket, err error) {
	files := activation.Files(true)
	var errs []error
	for _, f := range files {
		s, err := socketOf(f)
		if err != nil {
			errs = append(errs, fmt.Errorf("the socket %s that the service manager has passed (descriptor %d) %w", f.Name(), f.Fd(), err))
		} else {
			sockets = append(sockets, s)
		}
	}
	for _, f := range files {
		_ = f.Close() // the listener has its own
	}
	if err := errors.Join(errs...); err != nil {
		for _, s := range sockets {
			_ = s.Close()
		}
		return nil, err
	}
	return sockets, nil
}

func socketOf(f *os.File) (Socket, error) {
	kind, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return Socket{}, fmt.Errorf("is not a socket: %w", err)
	}
	listens, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil || kind != unix.SOCK_STREAM || listens == 0 {
		return Socket{}, errors.New("is not one that connections are accepted on: use ListenStream= and Accept=no in its unit")
	}
	l, err := net.FileListener(f)
	if err != nil {
		return Socket{}, fmt.Errorf("cannot be used: %w", err)
	}
	return Socket{l, f.Name()}, nil
}
