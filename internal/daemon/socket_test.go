package daemon

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func mustListen(t *testing.T, path string) *socket {
	t.Helper()
	s, err := listenSocket(t.Context(), path, 0o660, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// answers reports whether somebody listens on a socket and takes connections.
func answers(t *testing.T, s *socket) bool {
	t.Helper()
	accepted := make(chan error, 1)
	go func() {
		c, err := s.Accept()
		if err == nil {
			err = c.Close()
		}
		accepted <- err
	}()
	c, err := net.Dial("unix", s.path)
	if err != nil {
		_ = s.SetDeadline(time.Unix(1, 0))
		<-accepted
		return false
	}
	defer c.Close()
	return <-accepted == nil
}

// leaveStale leaves a socket that nobody listens on, as a process does that is killed.
func leaveStale(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// bindOnly makes a socket of a kind at path, and does not listen on it.
func bindOnly(t *testing.T, path string, kind int) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	return fd
}

// TestSocketIsPrivateAtFirst: there is no moment in which somebody could connect whom socket_mode shuts out, whatever the umask is.
func TestSocketIsPrivateAtFirst(t *testing.T) {
	dir := t.TempDir()
	for _, umask := range []int{0, 0o022, 0o077} {
		path := filepath.Join(dir, strconv.Itoa(umask))
		old := unix.Umask(umask)
		l, err := listenPrivate(t.Context(), path)
		unix.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket|0o600 {
			t.Errorf("with the umask %03o it is %v, %v", umask, info.Mode(), err)
		}
		_ = l.Close()
	}
}

func TestSocketModeAndGroup(t *testing.T) {
	group, gid := "", os.Getegid()
	if os.Geteuid() == 0 { // nobody else may give files away
		g, err := user.LookupGroup("daemon")
		if err != nil {
			t.Skip("there is no group daemon here:", err)
		}
		group = g.Name
		gid, _ = strconv.Atoi(g.Gid)
	}
	for _, umask := range []int{0, 0o077} {
		for _, mode := range []fs.FileMode{0o600, 0o660, 0o666} {
			path := filepath.Join(t.TempDir(), "s.sock")
			old := unix.Umask(umask)
			s, err := listenSocket(t.Context(), path, mode, group)
			unix.Umask(old)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(path)
			if err != nil || info.Mode() != fs.ModeSocket|mode || int(info.Sys().(*syscall.Stat_t).Gid) != gid || !answers(t, s) {
				t.Errorf("with the umask %03o and the mode %v it is %+v, %v", umask, mode, info, err)
			}
			if info, err := os.Lstat(path + ".lock"); err != nil || info.Mode() != 0o600 {
				t.Errorf("the lock is %v, %v", info, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestSocketOfUnknownGroup: where access cannot be set as it should be nothing listens, and nothing is left behind.
func TestSocketOfUnknownGroup(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.sock")
	if _, err := listenSocket(t.Context(), path, 0o660, "no-such-group"); !errors.Is(err, user.UnknownGroupError("no-such-group")) {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is there: %v", err)
	}
	mustListen(t, path)
}

// TestSocketTakesOverWhatIsLeft: each is what a gateway leaves that is killed at some moment of its life.
func TestSocketTakesOverWhatIsLeft(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(path string){
		"nothing":            func(string) {},
		"a lock":             func(path string) { write(t, path+".lock", "", 0o600) },
		"a socket not ready": func(path string) { bindOnly(t, path, unix.SOCK_STREAM) },
		"a socket":           func(path string) { leaveStale(t, path) },
		"a lock and a socket that nobody may connect to": func(path string) {
			write(t, path+".lock", "", 0o600)
			leaveStale(t, path)
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		path := filepath.Join(t.TempDir(), "s.sock")
		leave(path)
		s := mustListen(t, path)
		if !answers(t, s) {
			t.Errorf("after %s nobody answers", name)
		}
		if err := s.Close(); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}

// TestSocketRemovesNothingElse: what is at the path and is not a gateway's leaving stays, and is an error.
func TestSocketRemovesNothingElse(t *testing.T) {
	t.Parallel()
	full := func(path string) {
		fd := bindOnly(t, path, unix.SOCK_STREAM)
		if err := unix.Listen(fd, 0); err != nil {
			t.Fatal(err)
		}
		for {
			c, err := net.Dial("unix", path)
			if errors.Is(err, unix.EAGAIN) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}
	for name, test := range map[string]struct {
		put  func(path string)
		want string
	}{
		"a file":           {func(path string) { write(t, path, "precious", 0o600) }, "PATH is there already and is not a socket; move it away, or name another socket"},
		"a directory":      {func(path string) { write(t, path+"/file", "precious", 0o600) }, "PATH is there already and is not a socket; move it away, or name another socket"},
		"a pipe":           {func(path string) { _ = unix.Mkfifo(path, 0o600) }, "PATH is there already and is not a socket; move it away, or name another socket"},
		"a link to a file": {func(path string) { write(t, path+".to", "", 0o600); _ = os.Symlink(path+".to", path) }, "PATH is a symbolic link; name the socket itself, or remove the link"},
		"a dangling link":  {func(path string) { _ = os.Symlink(path+".to", path) }, "PATH is a symbolic link; name the socket itself, or remove the link"},
		"a link to a socket": {func(path string) { leaveStale(t, path+".to"); _ = os.Symlink(path+".to", path) },
			"PATH is a symbolic link; name the socket itself, or remove the link"},
		"a socket in use": {func(path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
		}, "PATH is in use by another process; stop it, or name another socket"},
		"a socket in heavy use": {full, "PATH is in use by another process; stop it, or name another socket"},
		"a datagram socket":     {func(path string) { bindOnly(t, path, unix.SOCK_DGRAM) }, "PATH is a socket of another kind, which no gateway makes; remove it, or name another socket"},
		"a packet socket":       {func(path string) { bindOnly(t, path, unix.SOCK_SEQPACKET) }, "PATH is a socket of another kind, which no gateway makes; remove it, or name another socket"},
		"a link for a lock":     {func(path string) { _ = os.Symlink(path+".to", path+".lock") }, "PATH.lock is a symbolic link; remove it"},
	} {
		path := filepath.Join(t.TempDir(), "s.sock")
		test.put(path)
		before, _ := os.Lstat(path)
		_, err := listenSocket(t.Context(), path, 0o660, "")
		if want := strings.ReplaceAll(test.want, "PATH", path); err == nil || err.Error() != want {
			t.Errorf("%s: the error is\n%v\nwant\n%s", name, err, want)
		}
		if after, err := os.Lstat(path); before != nil && (err != nil || !os.SameFile(before, after)) {
			t.Errorf("%s is gone", name)
		}
	}
}

func TestStaleSocketOfAnother(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("giving a socket to another user needs root")
	}
	path := filepath.Join(t.TempDir(), "s.sock")
	leaveStale(t, path)
	if err := os.Lchown(path, 54321, 54321); err != nil {
		t.Fatal(err)
	}
	_, err := listenSocket(t.Context(), path, 0o660, "")
	want := "nobody listens on " + path + " any more, and it belongs to the user with the number 54321; remove it, or run the gateway as that user"
	if err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nwant\n%s", err, want)
	}
}

func TestSocketIsRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.sock")
	s := mustListen(t, path)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is still there: %v", err)
		}
	}
	mustListen(t, path) // the lock is free
}

// TestAnothersSocketIsNotRemoved: if somebody has removed or replaced the socket, closing leaves what is there now.
func TestAnothersSocketIsNotRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.sock")
	s := mustListen(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	leaveStale(t, path)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}

	gone := mustListen(t, filepath.Join(t.TempDir(), "s.sock"))
	if err := os.Remove(gone.path); err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Error(err)
	}
}

func TestSocketLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.sock")
	first, err := lockSocket(t.Context(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockSocket(t.Context(), path, 0); err == nil || err.Error() != "another gateway has "+path+"; stop it, or name another socket" {
		t.Errorf("the error is %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lockSocket(ended, path, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	got := make(chan error, 1)
	go func() {
		second, err := lockSocket(t.Context(), path, time.Hour)
		if err == nil {
			err = second.Close()
		}
		got <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// TestOneSocketForManyGateways: of gateways that start at once beside a socket that was left, one gets it and keeps it.
func TestOneSocketForManyGateways(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.sock")
	for range 20 {
		leaveStale(t, path)
		ctx, won := context.WithCancel(t.Context())
		var all sync.WaitGroup
		sockets := make([]*socket, 8)
		for i := range sockets {
			all.Go(func() {
				s, err := listenSocket(ctx, path, 0o660, "")
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				if sockets[i] = s; err == nil {
					won()
				}
			})
		}
		all.Wait()
		won()
		winners := 0
		for _, s := range sockets {
			if s == nil {
				continue
			}
			if winners++; !answers(t, s) {
				t.Error("the winner's socket was taken from it")
			}
			_ = s.Close()
		}
		if winners != 1 {
			t.Fatalf("%d gateways got it", winners)
		}
	}
}
