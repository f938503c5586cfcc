package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	"time"

	"github.com/sidegate/sidegate/internal/auth"
)

// supervisedSecret is the secret of the caller in these tests.
const supervisedSecret = "a secret of the tests"

// A yard is a place for gateways that a test supervises as systemd would: it holds their sockets and hears what they say.
type yard struct {
	dir, file, out  string
	program         string
	sockets         []*os.File
	names           []string
	notify          *net.UnixConn
	address, socket string // where callers connect
	admin           string
}

// newYard writes a configuration. With hold the test keeps the sockets open.
func newYard(t *testing.T, hold bool, extra string) *yard {
	t.Helper()
	program, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sidegate-yard-") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	y := &yard{dir: dir, file: filepath.Join(dir, "sidegate.yaml"), out: filepath.Join(dir, "out"), program: program, socket: filepath.Join(dir, "gate.sock")}
	for _, d := range []string{y.out, filepath.Join(dir, "policies", "sidegate")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	y.address, y.admin = y.port(t, "listen", hold), y.port(t, "admin", hold)
	if hold {
		l, err := net.Listen("unix", y.socket)
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		y.hold(t, "sidegate.socket", l)
	}
	writeTo(t, filepath.Join(dir, "policies", "sidegate", "decision.rego"), []byte("package sidegate\n\n"+
		`decision := {"allow": true, "grants": ["test"], "reasons": [], "obligations": {"filesystem": {"read": ["/"], "write": ["/"]}}}`+"\n"))
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(supervisedSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	writeTo(t, y.file, fmt.Appendf(nil, `
listen: [%q, "unix:%s"]
admin_listen: %q
state_dir: state
clients: [{name: func, scheme: func, secret_file: secret, roles: [readonly]}]
policy: {paths: [policies]}
limits: {rate: 100000, burst: 100000}
%s`, y.address, y.socket, y.admin, extra))
	return y
}

// port returns a free address, and with hold listens there.
func (y *yard) port(t *testing.T, name string, hold bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if hold {
		y.hold(t, name, l)
	} else {
		l.Close()
	}
	return l.Addr().String()
}

func (y *yard) hold(t *testing.T, name string, l net.Listener) {
	t.Helper()
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	t.Cleanup(func() { f.Close() })
	y.sockets, y.names = append(y.sockets, f), append(y.names, name)
}

// hear makes the socket that gateways report to.
func (y *yard) hear(t *testing.T) {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(y.dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	y.notify = c
	t.Cleanup(func() { c.Close() })
}

// await returns the first message that contains text, and fails where none comes.
func (y *yard) await(t *testing.T, text string) string {
	t.Helper()
	buf := make([]byte, 4096)
	if err := y.notify.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil { // only if the test would hang
		t.Fatal(err)
	}
	for {
		n, err := y.notify.Read(buf)
		if err != nil {
			t.Fatalf("%s was not said: %v", text, err)
		}
		if said := string(buf[:n]); strings.Contains(said, text) {
			return said
		}
	}
}

// serve starts a gateway. LISTEN_PID is the process's own number, which only the process itself knows in time.
func (y *yard) serve(t *testing.T, env ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command("sh", "-c", `LISTEN_PID=$$; export LISTEN_PID; exec "$0" serve --config "$1"`, y.program, y.file)}
	p.Stdout, p.Stderr, p.ExtraFiles = &p.out, &p.said, y.sockets
	p.Env = append(os.Environ(), env...)
	if len(y.sockets) > 0 {
		p.Env = append(p.Env, "LISTEN_FDS="+strconv.Itoa(len(y.sockets)), "LISTEN_FDNAMES="+strings.Join(y.names, ":"))
	}
	if y.notify != nil {
		p.Env = append(p.Env, "NOTIFY_SOCKET="+filepath.Join(y.dir, "notify"))
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	return p
}

// An errand is one signed call, which can be sent more than once: its nonce says that it is the same.
type errand struct {
	body  []byte
	nonce string
	when  string
}

func newErrand(command string) errand {
	body, err := json.Marshal(map[string]string{"command": command})
	if err != nil {
		panic(err)
	}
	return errand{body, auth.NewNonce(), strconv.FormatInt(time.Now().Unix(), 10)}
}

// errandReply is what comes back.
type errandReply struct {
	Status          int `json:"-"`
	Reason, Message string
	Data            struct {
		Stdout, Status string
		ExitCode       int `json:"exit_code"`
	}
}

func (e errand) send(client *http.Client, address string) (reply errandReply, err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+address+"/shell", bytes.NewReader(e.body))
	if err != nil {
		return reply, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(auth.HeaderNonce, e.nonce)
	req.Header.Set(auth.HeaderTimestamp, e.when)
	req.Header.Set(auth.HeaderSignature, auth.SignFunc([]byte(supervisedSecret), http.MethodPost, "/shell", e.nonce, e.when, e.body))
	resp, err := client.Do(req)
	if err != nil {
		return reply, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply, err
	}
	reply.Status = resp.StatusCode
	return reply, json.Unmarshal(text, &reply)
}

// toSocket is a client that connects to a Unix socket.
func toSocket(path string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
}

// TestSupervised goes through a life as a service manager sees it, with its messages, and looks at what commands inherit of it: nothing.
func TestSupervised(t *testing.T) {
	t.Parallel()
	y := newYard(t, true, "drain: {grace: 90s}\n")
	y.hear(t)
	p := y.serve(t, "WATCHDOG_USEC=1000000")
	if said := y.await(t, "STATUS="); !strings.Contains(said, "EXTEND_TIMEOUT_USEC=30000000") {
		t.Errorf("at the start it says %q", said)
	}
	y.await(t, "READY=1")
	for range 2 {
		if said := y.await(t, "WATCHDOG=1"); !strings.Contains(said, "STATUS=0 running, 0 waiting") {
			t.Errorf("as a sign of life it says %q", said)
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := newErrand("env").send(client, y.address)
	if err != nil || reply.Status != http.StatusOK || reply.Data.Stdout == "" {
		t.Fatalf("answered %+v, %v", reply, err)
	}
	for _, name := range []string{"NOTIFY_SOCKET", "LISTEN_", "WATCHDOG_"} {
		if strings.Contains(reply.Data.Stdout, name) {
			t.Errorf("a command has %s: %s", name, reply.Data.Stdout)
		}
	}
	if reply, err = newErrand("ls -l /proc/self/fd/").send(client, y.address); err != nil || strings.Contains(reply.Data.Stdout, "socket:") {
		t.Errorf("a command has the sockets: %+v, %v", reply, err)
	}
	if reply, err := newErrand("true").send(&http.Client{Transport: toSocket(y.socket)}, "gateway"); err != nil || reply.Status != http.StatusOK {
		t.Errorf("on the Unix socket: %+v, %v", reply, err)
	}
	if resp, err := client.Get("http://" + y.admin + "/readyz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("readiness: %v, %v", resp, err)
	}

	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if said := y.await(t, "RELOADING=1"); !strings.Contains(said, "MONOTONIC_USEC=") {
		t.Errorf("of a reload it says %q", said)
	}
	y.await(t, "READY=1")

	running := make(chan errandReply, 1)
	go func() {
		reply, err := newErrand("sh -c 'touch "+y.out+"/begun; sleep 1000'").send(client, y.address)
		if err != nil {
			reply.Reason = err.Error()
		}
		running <- reply
	}()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(y.out, "begun")); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the command did not begin")
		}
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if said := y.await(t, "STOPPING=1"); !strings.Contains(said, "EXTEND_TIMEOUT_USEC=111000000") {
		t.Errorf("at the end it says %q", said)
	}
	// A second signal ends the grace: what runs is killed, recorded and answered.
	if code := p.stop(t, syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d, %s", code, &p.said)
	}
	if reply := <-running; reply.Status != http.StatusOK || reply.Data.Status != "killed" {
		t.Errorf("the command that ran is answered %+v", reply)
	}
	if _, err := os.Stat(y.socket); err != nil {
		t.Errorf("the socket, which is somebody else's, is gone: %v", err)
	}
}

// TestSocketsThatDoNotFit: what was passed and does not go with the configuration keeps a gateway from starting, and it says what to do.
func TestSocketsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		pass func(t *testing.T, y *yard)
		says string
	}{
		{"nowhere in the configuration", func(t *testing.T, y *yard) { y.port(t, "listen", true) }, "is at an address that is neither in listen nor in admin_listen"},
		{"named otherwise", func(_ *testing.T, y *yard) { y.names[0] = "admin" }, "is named admin, and its address is in listen"},
		{"the admin's, named otherwise", func(_ *testing.T, y *yard) { y.names[1] = "listen" }, "is named listen, and its address is admin_listen"},
		{"twice", func(_ *testing.T, y *yard) {
			y.sockets, y.names = append(y.sockets, y.sockets[0]), append(y.names, y.names[0])
		}, "is the second one for"},
		{"for everybody", func(t *testing.T, y *yard) {
			if err := os.Chmod(y.socket, 0o666); err != nil {
				t.Fatal(err)
			}
		}, "has the mode 0666, and socket_mode is 0660: set SocketMode=0660"},
		{"no socket", func(t *testing.T, y *yard) {
			f, err := os.Open(y.file)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			y.sockets, y.names = append(y.sockets, f), append(y.names, "file")
		}, "the socket file that the service manager has passed (descriptor 6) is not a socket"},
		{"datagrams", func(t *testing.T, y *yard) {
			c, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			f, err := c.(*net.UDPConn).File()
			if err = errors.Join(err, c.Close()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			y.sockets, y.names = append(y.sockets, f), append(y.names, "udp")
		}, "use ListenStream= and Accept=no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			y := newYard(t, true, "")
			tt.pass(t, y)
			p := y.serve(t)
			if code := p.stop(t); code != 1 || !strings.Contains(p.said.String(), tt.says) {
				t.Errorf("exit code %d, %s", code, &p.said)
			}
		})
	}
}
