package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxSocketPath is the room for a path in the kernel's sockaddr_un, less its terminating zero (unix(7)).
const maxSocketPath = 107

const (
	// lockPatience is how long a socket's lock that somebody holds is waited for: of a gateway that was killed there may be a
	// child between fork and exec, which holds the lock, and the socket too, until it has become its command.
	lockPatience = 3 * time.Second
	lockPause    = 20 * time.Millisecond
)

// A socket listens on a Unix socket that it has made, and that it removes when it is closed.
type socket struct {
	*net.UnixListener
	path  string
	made  fs.FileInfo // what is at path
	lock  *os.File
	close func() error // once
}

// listenSocket makes a Unix socket and listens on it. Nobody else can connect before it has its mode and group; an empty
// group leaves that of the process or the directory.
func listenSocket(ctx context.Context, path string, mode fs.FileMode, group string) (*socket, error) {
	dir, err := socketDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	real := filepath.Join(dir, filepath.Base(path))
	if len(real) > maxSocketPath {
		return nil, fmt.Errorf("%s is at %s, and that path has more than %d bytes; name a shorter one", path, real, maxSocketPath)
	}
	lock, err := lockSocket(ctx, real, lockPatience)
	if err != nil {
		return nil, err
	}
	s := &socket{path: real, lock: lock}
	if err := s.open(ctx, mode, group); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.close = sync.OnceValue(func() error { return errors.Join(s.remove(), s.UnixListener.Close(), s.lock.Close()) })
	return s, nil
}

// open makes the socket. Its lock is held.
func (s *socket) open(ctx context.Context, mode fs.FileMode, group string) error {
	if err := removeStale(s.path); err != nil {
		return err
	}
	var err error
	if s.UnixListener, err = listenPrivate(ctx, s.path); err != nil {
		return err
	}
	s.SetUnlinkOnClose(false) // it would remove whatever is there then
	if s.made, err = os.Lstat(s.path); err == nil {
		err = setAccess(s.path, mode, group)
	}
	if err != nil {
		return errors.Join(err, s.remove(), s.UnixListener.Close())
	}
	return nil
}

// listenPrivate makes a socket that nobody but its user can connect to, at no moment. The kernel gives the file the mode of the
// socket, less the umask (unix_bind).
func listenPrivate(ctx context.Context, path string) (*net.UnixListener, error) {
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var set error
		err := c.Control(func(fd uintptr) { set = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, os.NewSyscallError("fchmod", set))
	}}
	l, err := private.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

// setAccess gives the socket its group, and then its mode.
func setAccess(path string, mode fs.FileMode, group string) error {
	if group != "" {
		gid, err := groupID(group)
		if err != nil {
			return err
		}
		if err := os.Lchown(path, -1, gid); errors.Is(err, unix.EPERM) {
			return fmt.Errorf("the gateway may not give %s to the group %s; make its user a member of the group (usermod -aG), or leave socket_group out", path, group)
		} else if err != nil {
			return err
		}
	}
	return os.Chmod(path, mode)
}

func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// Close stops listening and removes the socket, if it is still the one that was made. It may be called again.
func (s *socket) Close() error { return s.close() }

// remove removes the socket, and nothing that somebody has put in its place. Before the listener is closed no other gateway
// takes it for one that nobody listens on.
func (s *socket) remove() error {
	now, err := os.Lstat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !os.SameFile(now, s.made):
		return nil
	}
	return os.Remove(s.path)
}

// lockSocket takes the lock of a socket, which keeps two gateways that start at once from removing each other's. The lock
// belongs to the process and ends with it; its file stays, because to remove it would be to remove a lock that somebody else
// may have by then.
func lockSocket(ctx context.Context, path string, patience time.Duration) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s.lock is a symbolic link; remove it", path)
	}
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(patience); ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, unix.EWOULDBLOCK):
			return nil, errors.Join(os.NewSyscallError("flock", err), f.Close())
		case time.Now().After(deadline):
			return nil, errors.Join(fmt.Errorf("another gateway has %s; stop it, or name another socket", path), f.Close())
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		}
	}
}

// removeStale removes a socket of this user that nobody listens on any more, as a killed process leaves it. Anything else at
// that path is somebody's and stays.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() == fs.ModeSymlink:
		return fmt.Errorf("%s is a symbolic link; name the socket itself, or remove the link", path)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there already and is not a socket; move it away, or name another socket", path)
	}
	switch conn, err := net.Dial("unix", path); {
	case err == nil:
		return errors.Join(inUse(path), conn.Close())
	case errors.Is(err, unix.EAGAIN): // so many wait for it that there is no room for one more
		return inUse(path)
	case errors.Is(err, unix.EPROTOTYPE):
		return fmt.Errorf("%s is a socket of another kind, which no gateway makes; remove it, or name another socket", path)
	case !errors.Is(err, unix.ECONNREFUSED):
		return err
	}
	if uid, _ := ownerOf(info); int(uid) != os.Geteuid() {
		return fmt.Errorf("nobody listens on %s any more, and it belongs to %s; remove it, or run the gateway as that user", path, userName(uid))
	}
	return os.Remove(path)
}

func inUse(path string) error {
	return fmt.Errorf("%s is in use by another process; stop it, or name another socket", path)
}
