package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/config"
)

// writeEndingCertificate writes a certificate that is valid until the given time, and its key.
func writeEndingCertificate(t *testing.T, dir string, until time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-time.Hour), NotAfter: until, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), 0o600)
}

// TestNotesOfTelemetry: what is allowed and lets others look on, and a certificate that ends soon, is told before it matters.
func TestNotesOfTelemetry(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, test := range []struct {
		extra string
		until time.Time // of the certificate
		want  string    // in the notes; "" for none
	}{
		{"telemetry: {pprof: true}", time.Time{}, "telemetry.pprof: profiles of the gateway are served to whoever reaches admin_listen"},
		{"telemetry: {pprof: false}", time.Time{}, ""},
		{`telemetry: {otlp_endpoint: "http://collector:4318"}`, time.Time{}, "telemetry.otlp_endpoint: traces go over the network unencrypted"},
		{`telemetry: {otlp_endpoint: "http://127.0.0.1:4318"}`, time.Time{}, ""},
		{`telemetry: {otlp_endpoint: "https://collector:4318"}`, time.Time{}, ""},
		{"tls: {cert_file: cert.pem, key_file: key.pem}", now.Add(24 * time.Hour), "tls.cert_file: the certificate is valid until " + now.Add(24*time.Hour).UTC().Format("2006-01-02")},
		{"tls: {cert_file: cert.pem, key_file: key.pem}", now.Add(90 * 24 * time.Hour), ""},
	} {
		s := watchedSite(t, test.extra)
		if !test.until.IsZero() {
			writeEndingCertificate(t, s.dir, test.until)
		}
		c, err := config.Parse("f", s.dir, []byte(s.yaml))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(Notes(c, now), "\n")
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %q", test.extra, got)
		}
	}
}
