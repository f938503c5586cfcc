package auth

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// SocketAuthority is what callers on a Unix socket call the gateway, where there is no address to call it by.
const SocketAuthority = "sidegate"

// authorities are what a gateway may be called by. A signature names the gateway it was made for, and that is worth nothing unless the gateway knows its own
// names: who has overheard a call to one gateway could send it to another, and write the first one's name into Host.
type authorities struct {
	fixed []string // as configured; where there is none, what follows
	names []string // of this host, which callers may use with the port that they called
}

// newAuthorities checks the names. An entry of fixed is host or host:port, as it stands in the Host of requests; the default port of the scheme is left out there.
func newAuthorities(fixed, names []string) (authorities, error) {
	a := authorities{}
	for _, text := range fixed {
		host, port := splitAuthority(text)
		if host == "" || strings.ContainsAny(text, "/@?# \t") || strings.HasSuffix(text, ":") {
			return a, fmt.Errorf("auth: the authority %q is not host or host:port", text)
		}
		a.fixed = append(a.fixed, joinAuthority(host, port))
	}
	for _, name := range names {
		a.names = append(a.names, lower(name))
	}
	return a, nil
}

// take reports whether a message is for this gateway.
func (a authorities) take(m Message) bool {
	host, port := splitAuthority(m.authority())
	called := joinAuthority(host, port)
	if len(a.fixed) > 0 {
		return slices.Contains(a.fixed, called) || port == "" && slices.Contains(a.fixed, joinAuthority(host, defaultPort(m.Secure)))
	}
	if m.Local == nil {
		return false
	}
	if m.Local.Network() == "unix" {
		return port == "" && (host == SocketAuthority || host == "localhost" || slices.Contains(a.names, host))
	}
	local, err := netip.ParseAddrPort(m.Local.String())
	if err != nil {
		return false
	}
	if port == "" {
		port = defaultPort(m.Secure)
	}
	if port != fmt.Sprint(local.Port()) {
		return false
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap() == local.Addr().Unmap().WithZone("")
	}
	return host == "localhost" && local.Addr().Unmap().IsLoopback() || slices.Contains(a.names, host)
}

// authority is whom m is for, as it is signed (RFC 9421, section 2.2.3): in lower case, without the default port.
func (m Message) authority() string { return normalAuthority(m.Host, m.Secure) }

func normalAuthority(host string, secure bool) string {
	return strings.TrimSuffix(lower(host), ":"+defaultPort(secure))
}

func defaultPort(secure bool) string {
	if secure {
		return "443"
	}
	return "80"
}

// splitAuthority takes the port off, and the brackets of an IPv6 address.
func splitAuthority(text string) (host, port string) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), ""
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.String() // one spelling for an address
	}
	return lower(host), port
}

func joinAuthority(host, port string) string {
	if port == "" {
		return host
	}
	return net.JoinHostPort(host, port)
}

// lower is lower case in ASCII alone: what else a name may have is not folded.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
