package daemon

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
)

// publicDir is a directory that every user of this host can get to.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "peers") // the one of testing is private
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newSocketSite is a site with a Unix socket that everybody may connect to, beside its TCP address. Root, or whoever runs the
// tests, is an operator there, and user 1234 a client.
func newSocketSite(t *testing.T, extra string) (s site, socket string) {
	t.Helper()
	socket = filepath.Join(publicDir(t), "s.sock")
	s = newSite(t, "state", extra)
	own, err := json.Marshal(os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	s.yaml = strings.NewReplacer(
		`listen: ["127.0.0.1:0"]`, `listen: ["127.0.0.1:0", "unix:`+socket+`"]`+"\nsocket_mode: \"0666\"",
		"roles: [readonly]}]", "roles: [readonly]}, {name: ops, scheme: peercred, uids: ["+string(own)+"], roles: [operator]}, {name: other, scheme: peercred, uids: [1234], roles: [readonly]}]",
	).Replace(s.yaml)
	return s, socket
}

// dialAs connects to a socket as another user: on a thread that has changed its own identity and ends then.
func dialAs(socket string, uid int) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread() // the first thread would stay
			c, err := dialAs(socket, uid)
			done <- result{c, err}
			return
		}
		for _, call := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} {
			if _, _, errno := unix.RawSyscall(call, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
				done <- result{nil, errno}
				return
			}
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			done <- result{nil, err}
			return
		}
		file := os.NewFile(uintptr(fd), "connection")
		defer file.Close()
		if err := unix.Connect(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
			done <- result{nil, err}
			return
		}
		c, err := net.FileConn(file)
		done <- result{c, err}
	}()
	r := <-done
	return r.conn, r.err
}

// as is a client whose connections are those of a user.
func as(t *testing.T, socket string, uid int) *http.Client {
	t.Helper()
	if uid != os.Geteuid() && os.Geteuid() != 0 {
		t.Skip("connecting as another user needs root")
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if uid == os.Geteuid() {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
		return dialAs(socket, uid)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// problem is what a refusal of /v1 says.
type problem struct{ Reason, Detail string }

func ask(t *testing.T, client *http.Client, url string, header http.Header) (int, problem) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var p problem
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, p
}

// TestPeersOfTheSocket: who calls is who the kernel says, and nobody else gets through.
func TestPeersOfTheSocket(t *testing.T) {
	s, socket := newSocketSite(t, "")
	_, url, _ := s.start(t)
	const local = "http://sidegate"
	signature := http.Header{"X-Auth-Nonce": {auth.NewNonce()}}
	for _, test := range []struct {
		name   string
		uid    int // -1: over TCP
		header http.Header
		status int
		want   problem
	}{
		{"the operator", os.Geteuid(), nil, http.StatusOK, problem{}},
		{"a client who is no operator", 1234, nil, http.StatusForbidden, problem{"denied", "this is for clients with the role operator; other has not got it"}},
		{"nobody", 4321, nil, http.StatusUnauthorized, problem{"unknown_peer",
			"the kernel says that user 4321 is calling, and no client has that user: add 4321 to the uids of a client with scheme peercred in the gateway's configuration"}},
		{"a user who may be anybody", 65534, nil, http.StatusUnauthorized, problem{"unknown_peer",
			"the kernel says that user 65534 is calling, which stands for every user who has no number where the gateway runs: call as a user whom its user namespace has"}},
		{"the operator, signed", os.Geteuid(), signature, http.StatusUnauthorized, problem{"invalid_signature",
			"a Func signature is not for this route: call it on a Unix socket of the gateway, without the X-Auth headers"}},
		{"over TCP", -1, nil, http.StatusUnauthorized, problem{"missing_signature",
			"the request is not signed: this route takes the HTTP message signature of a client with scheme httpsig; or call it on a Unix socket of the gateway (unix: in listen), as a user that a client with scheme peercred lists"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, at := http.DefaultClient, url
			if test.uid >= 0 {
				client, at = as(t, socket, test.uid), local
			}
			status, got := ask(t, client, at+"/v1/chains", test.header)
			if status != test.status || got != test.want {
				t.Errorf("answered %d %+v, want %d %+v", status, got, test.status, test.want)
			}
		})
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestPeerIsLimited: the calls of a client without signature count against its rate too.
func TestPeerIsLimited(t *testing.T) {
	s, socket := newSocketSite(t, "")
	s.yaml = strings.Replace(s.yaml, "{rate: 100000, burst: 100000}", "{rate: 0.0001, burst: 2}", 1)
	s.start(t)
	client := as(t, socket, os.Geteuid())
	for _, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
		if status, p := ask(t, client, "http://sidegate/v1/chains", nil); status != want {
			t.Errorf("answered %d %+v, want %d", status, p, want)
		}
	}
}

// TestSignaturesOnTheSocket: a Func client may use the socket, whatever its user is, and has no source address there, also if
// it binds its end to a name that reads like one. Who does not sign is not let in on Func's route.
func TestSignaturesOnTheSocket(t *testing.T) {
	s, socket := newSocketSite(t, "")
	write(t, filepath.Join(s.dir, "policies", "sidegate", "decision.rego"), `package sidegate

decision := {"allow": true, "grants": [sprintf("from %v as %s", [object.get(input.request, "source_ip", "?"), input.client.name])], "reasons": [], "obligations": {}}
`, 0o644)
	s.start(t)
	t.Chdir(t.TempDir())
	for name, dial := range map[string]func() (net.Conn, error){
		"plain": func() (net.Conn, error) { return net.Dial("unix", socket) },
		"named": func() (net.Conn, error) {
			return (&net.Dialer{LocalAddr: &net.UnixAddr{Name: "10.0.0.1:80", Net: "unix"}}).Dial("unix", socket)
		},
	} {
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return dial() }}
		client := &http.Client{Transport: transport}
		body := []byte(`{"command":"true"}`)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://sidegate/v1/decisions", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signed(t.Context(), "http://sidegate", auth.NewNonce(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = signed.Header
		req.Header.Set("X-Auth-Signature", auth.SignFunc([]byte(testSecret), http.MethodPost, "/v1/decisions", req.Header.Get("X-Auth-Nonce"), req.Header.Get("X-Auth-Timestamp"), body))
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var reply struct{ Grants []string }
		if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || len(reply.Grants) != 1 || reply.Grants[0] != "from  as func" {
			t.Errorf("%s: answered %d %q, %v", name, resp.StatusCode, reply.Grants, err)
		}
		_ = resp.Body.Close()
		transport.CloseIdleConnections()
	}

	client := as(t, socket, os.Geteuid())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://sidegate/shell", strings.NewReader(`{"command":"true"}`))
	if err != nil {
		t.Fatal(err)
	}
	if a, err := send(client, req); err != nil || a.Status != http.StatusUnauthorized || a.Reason != "missing_signature" {
		t.Errorf("unsigned: %+v, %v", a, err)
	}
}

// TestSocketBesideTLS: TLS is for the network. The socket speaks plain HTTP, and knows its peers.
func TestSocketBesideTLS(t *testing.T) {
	s, socket := newSocketSite(t, "tls: {cert_file: cert.pem, key_file: key.pem}\n")
	writeCertificate(t, s.dir)
	_, url, stop := s.start(t)
	if status, p := ask(t, as(t, socket, os.Geteuid()), "http://sidegate/v1/chains", nil); status != http.StatusOK {
		t.Errorf("the socket answers %d %+v", status, p)
	}
	secure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer secure.CloseIdleConnections()
	if status, p := ask(t, secure, strings.Replace(url, "http:", "https:", 1)+"/v1/chains", nil); status != http.StatusUnauthorized || p.Reason != "missing_signature" {
		t.Errorf("TLS answers %d %+v", status, p)
	}
	stop()
	if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the end the socket is there: %v", err)
	}
	_, _, again := s.start(t)
	again()
}

// writeCertificate writes cert.pem and key.pem, for a server that nobody verifies.
func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})), 0o600)
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), 0o600)
}

// TestSocketInUse: a gateway does not start on a socket that another one has, and that one goes on.
func TestSocketInUse(t *testing.T) {
	dir := publicDir(t)
	l, err := net.Listen("unix", filepath.Join(dir, "s.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newSite(t, "state", "")
	s.yaml = strings.Replace(s.yaml, `"127.0.0.1:0"`, `"unix:`+dir+`/s.sock"`, 1)
	c, err := config.Parse("sidegate.yaml", s.dir, []byte(s.yaml))
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(t.Context(), c, Build{}, slog.New(slog.DiscardHandler))
	if want := "cannot listen on unix:" + dir + "/s.sock: " + dir + "/s.sock is in use by another process; stop it, or name another socket"; err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nwant\n%s", err, want)
	}
	if c, err := net.Dial("unix", l.Addr().String()); err != nil {
		t.Error(err)
	} else {
		_ = c.Close()
	}
}
