package client

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is sent is what was signed, with headers that were added after the request was made.
func TestSignsAsItSends(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Header.Get("Signature")+" "+r.Host+" "+string(body))
	}))
	defer server.Close()
	signed := 0
	c, err := New(Config{Address: server.URL, Sign: func(r *http.Request, body []byte) error {
		signed++
		r.Header.Set("Signature", r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Prefer")+" "+string(body))
		r.Host = "signed.example"
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for body, want := range map[string]string{"": "GET /v1?a=b wait=1 signed.example ", "{}": "POST /v1?a=b wait=1 {} signed.example {}"} {
		method, content := http.MethodGet, []byte(nil)
		if body != "" {
			method, content = http.MethodPost, []byte(body)
		}
		req, err := c.Request(t.Context(), method, "/v1?a=b", content)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Prefer", "wait=1")
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(text) != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
	if signed != 2 {
		t.Errorf("signed %d times", signed)
	}
	refused := errors.New("no key")
	c.sign = func(*http.Request, []byte) error { return refused }
	if _, _, err := exchange(t.Context(), c, http.MethodGet, "/", nil); !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
}

func TestFilesOfTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	secure := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	good := file("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))
	key, err := x509.MarshalPKCS8PrivateKey(secure.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	private := file("ca.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	for _, cfg := range []Config{{CAFile: good}, {CAFile: good, CertFile: good, KeyFile: private}} {
		cfg.Address = secure.URL
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if status, _, err := exchange(t.Context(), c, http.MethodGet, "/", nil); err != nil || status != http.StatusOK {
			t.Errorf("%+v: %d, %v", cfg, status, err)
		}
		c.Close()
	}
	for _, test := range []struct {
		cfg  Config
		want string
	}{
		{Config{CAFile: filepath.Join(dir, "nowhere")}, "no such file"},
		{Config{CAFile: private}, "holds no certificate in PEM form"},
		{Config{CertFile: good}, "cannot be used"},
		{Config{KeyFile: private}, "and no certificate: name it with --cert-file"},
		{Config{Address: "http://127.0.0.1:1", CAFile: good}, "is without TLS, so no certificate is presented"},
		{Config{Address: "unix:/run/s", CertFile: good, KeyFile: private}, "is without TLS, so no certificate is presented"},
	} {
		if test.cfg.Address == "" {
			test.cfg.Address = secure.URL
		}
		if c, err := New(test.cfg); c != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error %v, want %q", test.cfg, err, test.want)
		}
	}
}
