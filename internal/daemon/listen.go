package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
)

// listen opens one address of the configuration, host:port or unix:/path. Connections on a Unix socket know their peers.
func listen(ctx context.Context, c *config.Config, address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		l, err := listenSocket(ctx, path, c.SocketMode, c.SocketGroup)
		if err != nil {
			return nil, err
		}
		return auth.ListenPeers(gateway.Watchable(l)), nil
	}
	l, err := net.Listen(family(address), address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w; is another gateway, or the Func Sidecar, still running?", err)
	case err != nil:
		return nil, err
	}
	return gateway.Watchable(l), nil
}

// family keeps an IPv4 address to IPv4: "tcp" would take 0.0.0.0 for every address of the host, IPv6 ones too.
func family(address string) string {
	host, _, err := net.SplitHostPort(address)
	if ip, parseErr := netip.ParseAddr(host); err == nil && parseErr == nil {
		if ip.Is4() {
			return "tcp4"
		}
		return "tcp6"
	}
	return "tcp"
}

// tlsConfig returns nil when TLS is not configured.
func tlsConfig(c config.TLS) (*tls.Config, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if c.ClientCAFile != "" {
		pem, err := os.ReadFile(c.ClientCAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.client_ca_file: %w", err)
		}
		t.ClientCAs, t.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !t.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.client_ca_file: %s holds no certificate", c.ClientCAFile)
		}
	}
	return t, nil
}
