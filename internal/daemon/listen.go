package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
)

// listenAt opens one address of the configuration, host:port or unix:/path, or takes the socket that was passed for it. Connections on a Unix socket know their
// peers.
func (d *Daemon) listenAt(ctx context.Context, c *config.Config, address string) (net.Listener, error) {
	if l := d.inherited[address]; l != nil {
		delete(d.inherited, address)
		if onSocket(address) {
			return auth.ListenPeers(gateway.Watchable(l)), nil
		}
		return gateway.Watchable(l), nil
	}
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
