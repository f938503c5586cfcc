package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

// tlsConfig reads the files of TLS; nil where none is named. Naming one for an address without TLS is an error: whoever does it believes to be protected.
func tlsConfig(cfg Config, base string) (*tls.Config, error) {
	switch {
	case cfg.CAFile == "" && cfg.CertFile == "" && cfg.KeyFile == "":
		return nil, nil
	case cfg.CertFile == "" && cfg.KeyFile != "":
		return nil, errors.New("there is a key for a certificate, and no certificate: name it with --cert-file")
	case !strings.HasPrefix(base, "https://"):
		return nil, fmt.Errorf("%s is without TLS, so no certificate is presented and none is looked at: write https://, or leave --ca-file and --cert-file out", cfg.Address)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CAFile != "" {
		text, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, err
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", cfg.CAFile)
		}
	}
	if cfg.CertFile != "" {
		key := cfg.KeyFile
		if key == "" {
			key = cfg.CertFile
		}
		pair, err := tls.LoadX509KeyPair(cfg.CertFile, key)
		if err != nil {
			return nil, fmt.Errorf("the certificate %s and its key %s cannot be used: %w", cfg.CertFile, key, err)
		}
		// Always, and not only where the gateway lists its authority: then it says what is wrong with it.
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return t, nil
}
