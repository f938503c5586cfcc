package daemon

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/sidegate/sidegate/internal/config"
)

// A secure is what TLS listeners show and demand. A reload replaces it as a whole; connections that are open then go on with the certificate they were shown, and are
// cut at their next request if the authorities that vouched for their callers are gone.
type secure struct {
	config *tls.Config
	roots  *x509.CertPool    // of callers; nil where none is demanded
	sum    [sha256.Size]byte // of the authorities
}

// readSecure reads the files of TLS. It returns nil where TLS is not configured.
func readSecure(c config.TLS) (*secure, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	s := &secure{config: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}}
	if c.ClientCAFile != "" {
		pem, err := os.ReadFile(c.ClientCAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.client_ca_file: %w", err)
		}
		s.roots, s.sum = x509.NewCertPool(), sha256.Sum256(pem)
		if !s.roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.client_ca_file: %s holds no certificate", c.ClientCAFile)
		}
		s.config.ClientCAs, s.config.ClientAuth = s.roots, tls.RequireAndVerifyClientCert
	}
	return s, nil
}

// securing is the present secure, for listeners. The zero value has none.
type securing struct{ now atomic.Pointer[secure] }

// config is for an [http.Server]; nil where TLS is not configured. Each handshake takes what is in force when it begins, and tickets of an earlier one do not
// survive it.
func (s *securing) config() *tls.Config {
	if s.now.Load() == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.now.Load().config, nil }}
}

type vouchedKey struct{}

// vouched is what a connection remembers of the authorities that its caller was found good by.
type vouched struct {
	sum atomic.Pointer[[sha256.Size]byte]
}

// connContext is for the field of this name in an http.Server whose handler is from guard.
func (s *securing) connContext(next func(context.Context, net.Conn) context.Context) func(context.Context, net.Conn) context.Context {
	return func(ctx context.Context, c net.Conn) context.Context {
		v := &vouched{}
		if now := s.now.Load(); now != nil { // what is older than the handshake is only looked at once more
			v.sum.Store(&now.sum)
		}
		return context.WithValue(next(ctx, c), vouchedKey{}, v)
	}
}

// guard cuts connections whose callers had a certificate of an authority that is not in force any more, before anything of the request is read.
func (s *securing) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := s.now.Load()
		if now == nil || r.TLS == nil {
			next.ServeHTTP(w, r)
			return
		}
		v, _ := r.Context().Value(vouchedKey{}).(*vouched)
		if v == nil || *v.sum.Load() != now.sum {
			if !now.vouchesFor(r.TLS) {
				panic(http.ErrAbortHandler) // the connection ends, and nothing has been done
			}
			if v != nil {
				v.sum.Store(&now.sum)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// vouchesFor tells whether a connection's caller would be let in today.
func (s *secure) vouchesFor(state *tls.ConnectionState) bool {
	if s.roots == nil {
		return true
	}
	if len(state.PeerCertificates) == 0 {
		return false
	}
	options := x509.VerifyOptions{Roots: s.roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, c := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(options)
	return err == nil
}
