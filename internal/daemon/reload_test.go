package daemon

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
)

var regexpRoles = regexp.MustCompile(`roles: \[[a-z]*\]`)

// signedBy makes a call of the connector with another secret than that of the tests.
func signedBy(t *testing.T, secret, url string, body any) *http.Request {
	t.Helper()
	nonce := auth.NewNonce()
	req, err := signed(context.Background(), url, nonce, body)
	if err != nil {
		t.Fatal(err)
	}
	text := new(bytes.Buffer)
	content, _ := req.GetBody()
	_, _ = text.ReadFrom(content)
	req.Header.Set("X-Auth-Signature", auth.SignFunc([]byte(secret), http.MethodPost, "/shell", nonce, req.Header.Get("X-Auth-Timestamp"), text.Bytes()))
	return req
}

// withClients writes the configuration with other clients.
func (h house) withClients(t *testing.T, clients string) {
	t.Helper()
	first, rest, _ := strings.Cut(h.yaml, "clients: ")
	_, rest, _ = strings.Cut(rest, "\n")
	h.yaml = first + "clients: " + clients + "\n" + rest
	h.configure(t, "p.wasm", "")
}

// TestReloadOfClients: new clients and secrets are known, old ones are refused, from the first call after the reload; what they had begun goes on, and what
// waited for its turn does not run.
func TestReloadOfClients(t *testing.T) {
	h := newHouse(t, "")
	h.yaml += "\nexecutor: {concurrency: 1}\n"
	h.configure(t, "p.wasm", "")
	d, url, stop := h.open(t)
	defer stop()
	write(t, filepath.Join(h.dir, "other"), "another secret\n", 0o600)

	running := h.background(t, url, map[string]string{"command": h.untilReleased()})
	h.await(t, "begun")
	waiting := h.background(t, url, map[string]string{"command": "touch " + filepath.Join(h.dir, "out", "never")})
	eventually(t, "a job waits", func() bool { return d.watched.queue.Stats().Waiting == 1 })

	h.withClients(t, `[{name: func, scheme: func, secret_file: none, roles: []}]`)
	if err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "clients[0].secret_file") {
		t.Errorf("a client without its secret: %v", err)
	}
	h.withClients(t, `[{name: other, scheme: func, secret_file: other, roles: [readonly]}]`)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := h.call(t, url, map[string]string{"command": "true"}); a.Status != http.StatusUnauthorized {
		t.Errorf("a client that is gone is answered %+v", a)
	}
	write(t, filepath.Join(h.dir, "out", "release"), "", 0o644)
	if a := <-running; a.Status != http.StatusOK || a.Data.ExitCode != 0 {
		t.Errorf("what ran ended with %+v", a)
	}
	if a := <-waiting; a.Data == nil || a.Data.ExitCode == 0 || !strings.Contains(a.Data.Stderr, "not in the gateway's configuration any more") {
		t.Errorf("what waited ended with %+v", a.Data)
	}
	if a, err := send(http.DefaultClient, signedBy(t, "another secret", url, map[string]string{"command": "true"})); err != nil || a.Status != http.StatusOK {
		t.Errorf("the new client is answered %+v, %v", a, err)
	}
	if _, err := os.Stat(filepath.Join(h.dir, "out", "never")); err == nil {
		t.Error("what waited for a client that is gone has run")
	}
	if !strings.Contains(h.log.String(), "map[func:removed other:added]") {
		t.Errorf("the log does not say which clients changed: %s", h.log)
	}
}

// TestReloadWhileStopping: a reload that is going on when the gateway ends writes down what it has changed, and one that comes later changes nothing.
func TestReloadWhileStopping(t *testing.T) {
	h := newHouse(t, "")
	d, url, stop := h.open(t)
	eventually(t, "files are watched", func() bool { // from there on the watch asks for nothing that a reload holds
		stacks := make([]byte, 1<<20)
		return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("(*Daemon).awaitChange"))
	})
	d.reloading.Lock() // as if one were going on
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	eventually(t, "nobody is let in", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	for range 200 { // until well after the journal would have been closed
		if err := d.journal.Record(t.Context(), audit.Leaf{Type: audit.Reload, Time: time.Now()}.Encode()); err != nil {
			t.Errorf("the journal was closed under a reload: %v", err)
			break
		}
	}
	d.reloading.Unlock()
	<-stopped
	if err := d.Reload(t.Context()); !errors.Is(err, errEnded) {
		t.Errorf("a reload after the end: %v", err)
	}
}

// TestReloadOfSecretFile: a secret whose file was replaced is in force without a signal, and the one before is not.
func TestReloadOfSecretFile(t *testing.T) {
	h := newHouse(t, "")
	_, url, stop := h.open(t)
	defer stop()
	call := func(secret string) int {
		a, err := send(http.DefaultClient, signedBy(t, secret, url, map[string]string{"command": "true"}))
		if err != nil {
			t.Fatal(err)
		}
		return a.Status
	}
	write(t, filepath.Join(h.dir, "secret.new"), "the next secret\n", 0o600)
	if err := os.Rename(filepath.Join(h.dir, "secret.new"), filepath.Join(h.dir, "secret")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the next secret is known", func() bool { return call("the next secret") == http.StatusOK })
	if got := call(testSecret); got != http.StatusUnauthorized {
		t.Errorf("the secret before is answered %d", got)
	}
}

// TestReloadProtects: what a reload brings is kept from commands as what was there at the start is.
func TestReloadProtects(t *testing.T) {
	h := newHouse(t, "")
	d, url, stop := h.open(t)
	defer stop()
	fresh := filepath.Join(h.dir, "fresh")
	write(t, fresh, "another secret\n", 0o600)
	read := map[string]string{"command": "cat " + fresh}
	if a := h.call(t, url, read); a.Status != http.StatusOK || a.Data.ExitCode != 0 {
		t.Fatalf("before: %+v", a)
	}
	h.withClients(t, `[{name: func, scheme: func, secret_files: [secret, fresh], roles: [readonly]}]`)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, command := range map[string]string{
		"the new secret":    "cat " + fresh,
		"the policy":        "cat " + filepath.Join(h.dir, "policies", "sidegate", "decision.rego"),
		"to the policy":     "cp /dev/null " + filepath.Join(h.dir, "policies", "sidegate", "decision.rego"),
		"beside the policy": "touch " + filepath.Join(h.dir, "policies", "sidegate", "more.rego"),
		"to the plugin":     "cp /dev/null " + filepath.Join(h.dir, "p.wasm"),
	} {
		if a := h.call(t, url, map[string]string{"command": command}); a.Status != http.StatusOK || a.Data.ExitCode == 0 {
			t.Errorf("%s: %+v", name, a.Data)
		}
	}
}

// TestReloadIsSeenWhole: clients and plugins change together under load. The policy allows what goes together and nothing else, so that a request that saw
// parts of two configurations would be denied. That policies change with them is tested in package policy: their directory is watched here too.
func TestReloadIsSeenWhole(t *testing.T) {
	h := newHouse(t, "")
	h.yaml += "\nexecutor: {concurrency: 4, queue: 64}\n"
	write(t, filepath.Join(h.dir, "policies", "sidegate", "decision.rego"), `package sidegate

default decision := {"allow": false, "grants": [], "reasons": ["half"], "obligations": {}}

decision := {"allow": true, "grants": ["test"], "reasons": [], "obligations": {"filesystem": {"read": ["/"], "write": ["/"]}}} if {
	input.client.roles == [input.shell.commands[0].argv[1]]
}
`, 0o644)
	change := func(era string) {
		t.Helper()
		h.yaml = regexpRoles.ReplaceAllString(h.yaml, "roles: ["+era+"]")
		h.configure(t, "p.wasm", echo(era))
	}
	change("one")
	d, url, stop := h.open(t)
	defer stop()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	var (
		callers sync.WaitGroup
		over    atomic.Bool
		calls   atomic.Int64
	)
	for range 4 {
		callers.Go(func() {
			for !over.Load() {
				req, err := signed(context.Background(), url, auth.NewNonce(), map[string]string{"command": "echo asked"})
				if err != nil {
					t.Error(err)
					return
				}
				if a, err := send(client, req); err != nil || a.Status != http.StatusOK {
					t.Errorf("answered %+v, %v", a, err)
					return
				}
				calls.Add(1)
			}
		})
	}
	for i := range 60 {
		change([]string{"two", "one"}[i%2])
		if err := d.Reload(t.Context()); err != nil {
			t.Errorf("reload %d: %v", i, err)
		}
	}
	over.Store(true)
	callers.Wait()
	client.CloseIdleConnections()
	if calls.Load() == 0 {
		t.Error("nothing was called")
	}
	t.Logf("%d calls over 60 reloads", calls.Load())
}

// pki makes certificates.
type pki struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newPKI(t *testing.T) pki {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pki{cert, key}
}

func (p pki) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw}))
}

// issue returns a certificate and its key.
func (p pki) issue(t *testing.T, serial int64) (cert, key string) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"gateway"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, p.cert, &own.PublicKey, p.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// TestReloadOfCertificates: the next handshake is shown the new certificate, open connections go on, and those whose caller's authority is gone end before
// anything is done for them.
func TestReloadOfCertificates(t *testing.T) {
	for _, protocol := range []string{"h1", "h2"} {
		t.Run(protocol, func(t *testing.T) {
			h := newHouse(t, "")
			h.yaml += "\ntls: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem}\n"
			ours, theirs := newPKI(t), newPKI(t)
			put := func(serial int64, authority pki) {
				cert, key := ours.issue(t, serial)
				write(t, filepath.Join(h.dir, "cert.pem"), cert, 0o644)
				write(t, filepath.Join(h.dir, "key.pem"), key, 0o600)
				write(t, filepath.Join(h.dir, "ca.pem"), authority.pem(), 0o644)
			}
			put(1, theirs)
			h.configure(t, "p.wasm", "")
			d, url, stop := h.open(t)
			defer stop()
			url = strings.Replace(url, "http:", "https:", 1)
			cert, key := theirs.issue(t, 7)
			pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
			if err != nil {
				t.Fatal(err)
			}
			roots := x509.NewCertPool()
			roots.AddCert(ours.cert)
			dial := func() *http.Client {
				transport := &http.Transport{
					TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "gateway", Certificates: []tls.Certificate{pair}},
					ForceAttemptHTTP2: protocol == "h2",
				}
				t.Cleanup(transport.CloseIdleConnections)
				return &http.Client{Transport: transport}
			}
			shown := func(c *http.Client) (int64, error) {
				resp, err := c.Get(url + "/")
				if err != nil {
					return 0, err
				}
				defer resp.Body.Close()
				_, err = new(bytes.Buffer).ReadFrom(resp.Body)
				if want := map[string]int{"h1": 1, "h2": 2}[protocol]; resp.ProtoMajor != want {
					t.Errorf("spoke %s", resp.Proto)
				}
				return resp.TLS.PeerCertificates[0].SerialNumber.Int64(), err
			}
			expect := func(what string, c *http.Client, want int64) {
				t.Helper()
				if got, err := shown(c); err != nil || got != want {
					t.Errorf("%s: shown %d, %v, want %d", what, got, err, want)
				}
			}
			old := dial()
			expect("at first", old, 1)
			put(2, theirs)
			if err := d.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			expect("an open connection", old, 1)
			expect("a new one", dial(), 2)
			put(3, newPKI(t))
			if err := d.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			// The transport tries a GET again on a new connection, which is not let in either.
			if got, err := shown(old); err == nil {
				t.Errorf("a caller whose authority is gone is shown %d", got)
			}
			// A certificate that does not go with its key is refused, and the one before stays.
			write(t, filepath.Join(h.dir, "key.pem"), key, 0o600)
			if err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "tls") {
				t.Errorf("a key of another certificate: %v", err)
			}
		})
	}
}

// TestChangedClients: only what a client is counts, not where in the list it stands.
func TestChangedClients(t *testing.T) {
	secret := func(s string) []config.Secret { return []config.Secret{config.NewSecret([]byte(s))} }
	old := []config.Client{{Name: "a", Secrets: secret("a")}, {Name: "b", Secrets: secret("b"), Roles: []string{"r"}}, {Name: "c", UIDs: []uint32{1}}}
	now := []config.Client{{Name: "b", Secrets: secret("x"), Roles: []string{"r"}}, {Name: "a", Secrets: secret("a")}, {Name: "d", UIDs: []uint32{1}}}
	got := fmt.Sprint(changedClients(old, now))
	if want := "map[b:changed c:removed d:added]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
