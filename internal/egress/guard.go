package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// dialTimeout bounds the name resolution and all connection attempts of one
// dial; a shorter deadline of the context wins.
const dialTimeout = 10 * time.Second

// Config says what a Guard refuses beyond the built-in ranges.
type Config struct {
	// Deny are further ranges to refuse. They hold for IPv4 addresses that are
	// embedded in IPv6 ones too.
	Deny []netip.Prefix

	// Own returns the addresses the gateway listens on, at the time of the
	// call: it is called for every connection attempt, so that the guard can be
	// made before the listeners are. Listeners that are not TCP are passed
	// over. It must be safe for concurrent use. Nil means that nothing listens.
	Own func() []net.Addr

	// Resolver resolves names; nil means the resolver of package net.
	Resolver *net.Resolver
}

// A Guard dials what it does not refuse. It is immutable and safe for
// concurrent use.
type Guard struct {
	refusals   []refusal
	own        func() []net.Addr
	dialer     net.Dialer
	interfaces func() ([]net.Addr, error) // net.InterfaceAddrs, but in tests
}

// A RefusedError says that the guard refused a connection. It is found with
// errors.As in what DialContext or an http.Client returns.
type RefusedError struct {
	Addr netip.AddrPort // zero when the refusal is not about an address
	Why  string         // for people
}

func (e *RefusedError) Error() string {
	if !e.Addr.IsValid() {
		return "egress: refused: " + e.Why
	}
	return fmt.Sprintf("egress: %v is refused: %s", e.Addr, e.Why)
}

// Refused returns true. It tells a refusal from other failures where this package
// is not known.
func (e *RefusedError) Refused() bool { return true }

// New returns a Guard. It fails when a prefix of cfg.Deny is not valid, or
// covers IPv4-mapped addresses only in part.
func New(cfg Config) (*Guard, error) {
	g := &Guard{
		refusals:   slices.Clone(refusals),
		own:        cfg.Own,
		interfaces: net.InterfaceAddrs,
	}
	for _, p := range cfg.Deny {
		p, err := plainPrefix(p)
		if err != nil {
			return nil, err
		}
		g.refusals = append(g.refusals, refusal{p, "the configuration denies " + p.String()})
	}
	g.dialer = net.Dialer{
		Timeout:        dialTimeout,
		Resolver:       cfg.Resolver,
		ControlContext: g.control,
	}
	// With multipath TCP, the peer would name further addresses to connect to,
	// which the kernel does without asking.
	g.dialer.SetMultipathTCP(false)
	return g, nil
}

// plainPrefix returns p as IPv4 when it is IPv4-mapped, because that is how
// addresses are compared.
func plainPrefix(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return p, errors.New("egress: a denied prefix is not valid")
	}
	if !p.Addr().Is4In6() {
		return p.Masked(), nil
	}
	if p.Bits() < 96 {
		return p, fmt.Errorf("egress: denied prefix %v is IPv4-mapped and shorter than 96 bits, write it as IPv4", p)
	}
	return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Masked(), nil
}

// DialContext connects to addr, a host and a port, over network, which must be
// "tcp", "tcp4" or "tcp6". Where a name has several addresses, those that are
// refused are passed over, and the connection is to one that is not; when none
// is left the error holds a *RefusedError. The caller closes the connection.
func (g *Guard) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if !isTCP(network) {
		return nil, &RefusedError{Why: fmt.Sprintf("network %q is not TCP", network)}
	}
	return g.dialer.DialContext(ctx, network, addr)
}

// control is called by the dialer for each attempt with the address that the
// socket is about to connect to.
func (g *Guard) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	if !isTCP(network) {
		return &RefusedError{Why: fmt.Sprintf("network %q is not TCP", network)}
	}
	// Without a host, as in ":80", the kernel would connect to this host. That
	// does not parse, like anything else that is not plainly an address.
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &RefusedError{Why: fmt.Sprintf("%q is not an address and a port", address)}
	}
	return g.check(to)
}

func isTCP(network string) bool {
	return network == "tcp" || network == "tcp4" || network == "tcp6"
}

// check returns a *RefusedError when to must not be connected to.
func (g *Guard) check(to netip.AddrPort) error {
	if to.Addr().Zone() != "" {
		return &RefusedError{to, "it has an IPv6 zone"}
	}
	addr := to.Addr().Unmap()
	if to.Port() == 0 {
		return &RefusedError{to, "it has no port"}
	}
	if why := g.why(addr, to.Port()); why != "" {
		return &RefusedError{to, why}
	}
	for _, v4 := range embedded(addr) {
		if why := g.why(v4, to.Port()); why != "" {
			return &RefusedError{to, fmt.Sprintf("it stands for %v, and %s", v4, why)}
		}
	}
	return nil
}

// why returns the reason to refuse an address, or "".
func (g *Guard) why(addr netip.Addr, port uint16) string {
	if why := refused(addr, g.refusals); why != "" {
		return why
	}
	return g.listens(netip.AddrPortFrom(addr, port))
}

// listens returns why a connection to the address would be one to the gateway
// itself, or "".
func (g *Guard) listens(to netip.AddrPort) string {
	if g.own == nil {
		return ""
	}
	const itself = "the gateway itself listens there"
	for _, a := range g.own() {
		if a == nil || !strings.HasPrefix(a.Network(), "tcp") {
			continue
		}
		listener, err := netip.ParseAddrPort(a.String())
		if err != nil {
			return fmt.Sprintf("the gateway's own listener %q cannot be told apart from it", a)
		}
		if listener.Port() != to.Port() {
			continue
		}
		switch own := listener.Addr().Unmap().WithZone(""); {
		case own == to.Addr():
			return itself
		case !own.IsUnspecified():
			continue
		}
		// A wildcard of one family is taken for both: [::] takes IPv4 as well.
		local, err := g.local(to.Addr())
		if err != nil {
			return "it has a port of the gateway, and this host's addresses cannot be read"
		}
		if local {
			return itself
		}
	}
	return ""
}

// local reports whether addr is one of this host's own.
func (g *Guard) local(addr netip.Addr) (bool, error) {
	if addr.IsLoopback() || addr.IsUnspecified() {
		return true, nil
	}
	// Read each time: addresses come and go, as with every container network.
	own, err := g.interfaces()
	if err != nil {
		return false, err
	}
	for _, a := range own {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			return false, err
		}
		if p.Addr().Unmap().WithZone("") == addr {
			return true, nil
		}
	}
	return false, nil
}
