package auth

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/netutil"
	"golang.org/x/sys/unix"
)

const (
	// callerEnv names the socket that the test binary connects to when it is started as a caller.
	callerEnv = "SIDEGATE_TEST_CALL"
	// handOverEnv is set for one that connects only, and sends the connection over its descriptor 3.
	handOverEnv = "SIDEGATE_TEST_HAND_OVER"
)

// call is a caller: it asks who it is and prints the answer.
func call(socket string) int {
	c, err := net.Dial("unix", socket)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if os.Getenv(handOverEnv) != "" {
		return handOver(c.(*net.UnixConn))
	}
	answer, err := ask(c)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Print(answer)
	return 0
}

func handOver(c *net.UnixConn) int {
	file, err := c.File()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if err := unix.Sendmsg(3, []byte{0}, unix.UnixRights(int(file.Fd())), nil, 0); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// ask sends one request over a connection, and closes it.
func ask(c net.Conn) (string, error) {
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// publicDir is a directory that every user can get to.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "peer") // the one of testing is private
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// serve answers every request with what is known of its connection, until the test ends.
func serve(t *testing.T, l net.Listener) {
	t.Helper()
	server := &http.Server{
		ConnContext: ConnContext,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, err := PeerOf(r)
			fmt.Fprintf(w, "uid=%d gid=%d pid=%d err=%v remote=%q", p.UID, p.GID, p.PID, err, r.RemoteAddr)
		}),
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
}

// listenUnix listens as a gateway does, with a limit of connections around it, on a socket that everybody may connect to.
func listenUnix(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(publicDir(t), "s.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	serve(t, netutil.LimitListener(ListenPeers(l), 4))
	return socket
}

func known(uid, gid, pid int) string {
	return fmt.Sprintf("uid=%d gid=%d pid=%d err=<nil> remote=%q", uid, gid, pid, fmt.Sprintf("uid %d, process %d", uid, pid))
}

func TestPeerOfOwnProcess(t *testing.T) {
	t.Parallel()
	c, err := net.Dial("unix", listenUnix(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ask(c)
	if want := known(os.Geteuid(), os.Getegid(), os.Getpid()); err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

// caller is the test binary as a caller, with the identity of another user.
func caller(t *testing.T, socket string, uid, gid uint32) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("connecting as another user needs root")
	}
	cmd := exec.Command("/proc/self/exe") // the test binary may lie where other users cannot get to
	cmd.Env = []string{callerEnv + "=" + socket}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	return cmd
}

func TestPeersOfSeveralUsers(t *testing.T) {
	t.Parallel()
	socket := listenUnix(t)
	for _, id := range []struct{ uid, gid uint32 }{{0, 0}, {1000, 1001}, {54321, 54321}, {65534, 65534}, {4294967294, 7}} {
		t.Run(strconv.FormatUint(uint64(id.uid), 10), func(t *testing.T) {
			t.Parallel()
			cmd := caller(t, socket, id.uid, id.gid)
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Run()
			if want := known(int(id.uid), int(id.gid), cmd.Process.Pid); err != nil || out.String() != want {
				t.Errorf("got %s, %v; want %s", out.String(), err, want)
			}
		})
	}
}

// TestPeerIsWhoConnected: a connection that is handed on stays that of the process that made it, also when that has ended.
func TestPeerIsWhoConnected(t *testing.T) {
	t.Parallel()
	cmd := caller(t, listenUnix(t), 1000, 1001)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	mine, its := os.NewFile(uintptr(pair[0]), "mine"), os.NewFile(uintptr(pair[1]), "its")
	defer mine.Close()
	cmd.ExtraFiles, cmd.Env = []*os.File{its}, append(cmd.Env, handOverEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err := its.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := ask(receive(t, pair[0]))
	if want := known(1000, 1001, cmd.Process.Pid); err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

// receive takes the connection that handOver sent.
func receive(t *testing.T, fd int) net.Conn {
	t.Helper()
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(fd, make([]byte, 1), rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatalf("%d descriptors, %v", len(fds), err)
	}
	file := os.NewFile(uintptr(fds[0]), "connection")
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPeerCannotNameItself: what a caller binds its own socket to is not taken for where a request comes from.
func TestPeerCannotNameItself(t *testing.T) {
	socket := listenUnix(t)
	t.Chdir(t.TempDir())
	for _, name := range []string{"10.0.0.1:80", "@10.0.0.1:80", "uid 0, process 1"} {
		c, err := (&net.Dialer{LocalAddr: &net.UnixAddr{Name: name, Net: "unix"}}).Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ask(c)
		if want := known(os.Geteuid(), os.Getegid(), os.Getpid()); err != nil || got != want {
			t.Errorf("bound to %q: got %s, %v; want %s", name, got, err, want)
		}
	}
}

// TestNoPeerElsewhere: neither a TCP connection nor one that the kernel is not asked about has a peer, and none is made up.
func TestNoPeerElsewhere(t *testing.T) {
	for name, listen := range map[string]func() (net.Listener, error){
		"tcp":            func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
		"tcp with peers": func() (net.Listener, error) { l, err := net.Listen("tcp", "127.0.0.1:0"); return ListenPeers(l), err },
		"unix without": func() (net.Listener, error) {
			return net.Listen("unix", filepath.Join(publicDir(t), "plain.sock"))
		},
		"unix, hidden": func() (net.Listener, error) {
			l, err := net.Listen("unix", filepath.Join(publicDir(t), "hidden.sock"))
			return ListenPeers(netutil.LimitListener(l, 4)), err // the limit hides the socket: nobody can be asked
		},
	} {
		l, err := listen()
		if err != nil {
			t.Fatal(err)
		}
		serve(t, l)
		c, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		got, err := ask(c)
		if err != nil || !strings.HasPrefix(got, "uid=0 gid=0 pid=0 err=auth: the connection has no peer credentials remote=") || strings.Contains(got, "process") {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
}

// TestPeerAddressIsNotATextThatReadsLikeOne: what another package calls an address makes nobody a peer.
func TestPeerAddressIsNotATextThatReadsLikeOne(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	ctx := ConnContext(t.Context(), peerConn{ours, &net.UnixAddr{Name: "uid 0, process 1", Net: "unix"}})
	if ctx != t.Context() {
		t.Error("a text was taken for a peer")
	}
	r, err := http.NewRequestWithContext(context.WithValue(ctx, http.LocalAddrContextKey, peerAddr{}), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := PeerOf(r); err == nil {
		t.Errorf("the peer is %+v", p)
	}
}

func BenchmarkAccept(b *testing.B) {
	for _, bench := range []struct {
		name string
		wrap func(net.Listener) net.Listener
	}{{"plain", func(l net.Listener) net.Listener { return l }}, {"peers", ListenPeers}} {
		b.Run(bench.name, func(b *testing.B) {
			l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s.sock"))
			if err != nil {
				b.Fatal(err)
			}
			wrapped := bench.wrap(l)
			defer wrapped.Close()
			for b.Loop() {
				c, err := net.Dial("unix", l.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				a, err := wrapped.Accept()
				if err != nil {
					b.Fatal(err)
				}
				_, _ = a.Close(), c.Close()
			}
		})
	}
}
