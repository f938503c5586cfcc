package policy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority issues certificates for 127.0.0.1 and for clients.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	a := authority{key: newKey(t)}
	a.certificate, _ = a.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "an authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// issue signs the template; for the authority itself, with its own key.
func (a authority) issue(t *testing.T, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, key := a.certificate, a.key
	if parent == nil {
		parent = template
	} else if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

func (a authority) server(t *testing.T) tls.Certificate {
	c, key := a.issue(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}
}

// clientTLS is the configuration of a client's certificate, in files.
func (a authority) clientTLS(t *testing.T) map[string]any {
	c, key := a.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "gateway"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"client_tls": map[string]any{
		"cert": pemFile(t, "CERTIFICATE", c.Raw), "private_key": pemFile(t, "EC PRIVATE KEY", der),
	}}
}

func pemFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newTLSServer serves what s serves, over TLS as configured.
func newTLSServer(t *testing.T, s http.Handler, config *tls.Config) *httptest.Server {
	server := httptest.NewUnstartedServer(s)
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// over makes the only service of a configuration one of TLS.
func over(t *testing.T, config Config, ca authority, credentials map[string]any) Config {
	service := config.OPA["services"].(map[string]any)["center"].(map[string]any)
	service["tls"] = map[string]any{"ca_cert": pemFile(t, "CERTIFICATE", ca.certificate.Raw)}
	if credentials != nil {
		service["credentials"] = credentials
	}
	return config
}

func TestServiceWithClientCertificates(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	content := newBundleServer(t)
	content.put(rules("1", unless("a")).bytes(t))
	server := newTLSServer(t, content, &tls.Config{
		Certificates: []tls.Certificate{ours.server(t)}, ClientCAs: ours.pool(), ClientAuth: tls.RequireAndVerifyClientCert,
	})
	for name, test := range map[string]struct {
		server      authority // whom the gateway trusts
		credentials map[string]any
		want        string // what is wrong; "" for nothing
	}{
		"both in order":             {ours, ours.clientTLS(t), ""},
		"no certificate":            {ours, nil, "certificate required"},
		"a certificate of others":   {ours, theirs.clientTLS(t), "unknown certificate authority"},
		"a server that is not ours": {theirs, ours.clientTLS(t), "certificate signed by unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, changes := openRemote(t, over(t, remote(server.URL, t.TempDir()), test.server, test.credentials))
			if test.want == "" {
				await(t, changes, decidesBy("1"))
			} else if s := await(t, changes, refusing); s.Ready || !strings.Contains(s.LastError.Error(), test.want) {
				t.Errorf("want %q, got %v", test.want, s.LastError)
			}
			e.Close(t.Context())
		})
	}
}

func TestServiceOfOldTLS(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	content := newBundleServer(t)
	content.put(rules("1", unless("a")).bytes(t))
	server := newTLSServer(t, content, &tls.Config{Certificates: []tls.Certificate{ours.server(t)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	_, changes := openRemote(t, over(t, remote(server.URL, t.TempDir()), ours, nil))
	if s := await(t, changes, refusing); s.Ready || !strings.Contains(s.LastError.Error(), "protocol version") {
		t.Errorf("status %+v", s)
	}
}

// A token goes to its service and nowhere else: not into the log at any level,
// not into the status, and not along with a redirect. It is read again for
// each request, so a new one needs no restart.
func TestTokenStaysSecret(t *testing.T) {
	t.Parallel()
	const first, second = "t0ken-of-yesterday", "t0ken-of-today"
	ours := newAuthority(t)
	content := newBundleServer(t)
	content.put(rules("1", unless("a")).bytes(t))
	away := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s", r.URL) }))
	t.Cleanup(away.Close)
	redirect := make(chan struct{})
	server := newTLSServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-redirect:
			http.Redirect(w, r, away.URL, http.StatusFound)
		default:
			content.ServeHTTP(w, r)
		}
	}), &tls.Config{Certificates: []tls.Certificate{ours.server(t)}})
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(first+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	config := over(t, remote(server.URL, t.TempDir()), ours, map[string]any{"bearer": map[string]any{"token_path": token}})
	config.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	e, changes := openRemote(t, config)
	await(t, changes, decidesBy("1"))
	sent := func() string {
		content.mu.Lock()
		defer content.mu.Unlock()
		return content.auth
	}
	if sent() != "Bearer "+first {
		t.Errorf("sent %q", sent())
	}
	if err := os.WriteFile(token, []byte(second+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	content.put(rules("2", unless("a")).bytes(t))
	await(t, changes, decidesBy("2"))
	if sent() != "Bearer "+second {
		t.Errorf("sent %q", sent())
	}
	close(redirect)
	s := await(t, changes, refusing)
	e.Close(t.Context())
	for _, secret := range []string{first, second} {
		if strings.Contains(out.String(), secret) || strings.Contains(s.LastError.Error(), secret) {
			t.Errorf("the token is in the log or in the status:\n%s\n%v", out.String(), s.LastError)
		}
	}
}
