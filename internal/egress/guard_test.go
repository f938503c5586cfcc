package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func newGuard(t testing.TB, cfg Config) *Guard {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// reason returns the guard's reason in err, which must be the guard's, or "".
func reason(t *testing.T, err error) string {
	t.Helper()
	var refused *RefusedError
	if err != nil && !errors.As(err, &refused) {
		t.Fatalf("error is %v, want a *RefusedError", err)
	}
	if refused == nil {
		return ""
	}
	return refused.Why
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	g := newGuard(t, Config{Deny: []netip.Prefix{
		netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("2001:db8::/32"),
		netip.MustParsePrefix("::ffff:198.51.100.0/120"),
	}})
	for _, tt := range []struct{ addr, why string }{
		// Receivers of callbacks.
		{"127.0.0.1", ""}, {"127.1.2.3", ""}, {"::1", ""}, {"::ffff:127.0.0.1", ""},
		{"172.17.0.1", ""}, {"10.0.0.1", ""}, {"192.168.0.1", ""}, {"fd12::1", ""},
		{"100.64.0.1", ""}, {"100.100.100.199", ""}, {"8.8.8.8", ""}, {"2606:4700::1", ""},
		{"fd00:ec1:ffff::254", ""}, {"64:ff9b::8.8.8.8", ""}, {"2002:808:808::1", ""},
		{"169.253.255.255", ""}, {"169.255.0.0", ""}, {"223.255.255.255", ""}, {"1.0.0.0", ""},

		{"0.0.0.0", "unspecified"}, {"0.255.255.255", "unspecified"}, {"::", "unspecified"},
		{"::ffff:0.0.0.0", "unspecified"},
		{"255.255.255.255", "broadcast"}, {"::ffff:255.255.255.255", "broadcast"},
		{"240.0.0.1", "reserved"}, {"255.255.255.254", "reserved"},
		{"224.0.0.1", "multicast"}, {"239.255.255.255", "multicast"}, {"ff02::1", "multicast"}, {"ff0e::1", "multicast"},
		{"169.254.0.1", "link-local"}, {"169.254.170.2", "link-local"}, {"169.254.255.255", "link-local"},
		{"fe80::1", "link-local"}, {"fe80::a9fe:a9fe", "link-local"}, {"febf::1", "link-local"},
		{"fe80::1%eth0", "zone"}, {"fd12::1%lo", "zone"}, {"::ffff:10.0.0.1%eth0", "zone"},

		{"169.254.169.254", "metadata"}, {"::ffff:169.254.169.254", "metadata"},
		{"100.100.100.200", "metadata"}, {"168.63.129.16", "metadata"}, {"192.0.0.192", "metadata"},
		{"fd00:ec2::254", "metadata"}, {"fd00:ec2::23", "metadata"}, {"fd20:ce::254", "metadata"},
		{"fd00:100::100:200", "metadata"}, {"fd00:c1::a9fe:a9fe", "metadata"},
		{"fd00:a9fe:a9fe::1", "metadata"}, {"fd00:42::42", "metadata"},

		// The same in IPv6 that stands for IPv4.
		{"::169.254.169.254", "stands for 169.254.169.254"},
		{"::2", "stands for 0.0.0.2"},
		{"::ffff:0:169.254.169.254", "stands for 169.254.169.254"},
		{"64:ff9b::169.254.169.254", "stands for 169.254.169.254"},
		{"64:ff9b::168.63.129.16", "stands for 168.63.129.16"},
		{"64:ff9b::", "stands for 0.0.0.0"},
		{"64:ff9b:1::169.254.169.254", "stands for 169.254.169.254"},        // /96
		{"64:ff9b:1:a9fe:a9:fe00::", "stands for 169.254.169.254"},          // /48
		{"64:ff9b:1:10a9:fe:a9fe::", "stands for 169.254.169.254"},          // /56
		{"64:ff9b:1:1020:a9:fea9:fe00::", "stands for 169.254.169.254"},     // /64
		{"64:ff9b:1::", "stands for 0.0.0.0"},                               // anywhere
		{"64:ff9b:1::10.1.2.3", ""},                                         // /96
		{"64:ff9b:1:a01:2:300::", ""},                                       // /48
		{"2002:a9fe:a9fe::1", "stands for 169.254.169.254"},                 // 6to4
		{"2002:6464:64c8::1", "stands for 100.100.100.200"},                 // 6to4
		{"2001:0:a9fe:a9fe::ffff:ffff", "stands for 169.254.169.254"},       // Teredo server
		{"2001:0:808:808::5601:5601", "stands for 169.254.169.254"},         // Teredo client
		{"2606:4700::5efe:169.254.169.254", "stands for 169.254.169.254"},   // ISATAP
		{"fd12::200:5efe:169.254.169.254", "stands for 169.254.169.254"},    // ISATAP
		{"2606:4700::5efe:10.1.2.3", ""}, {"2606:4700::5efd:a9fe:a9fe", ""}, // not quite

		// By configuration.
		{"203.0.113.7", "denies 203.0.113.0/24"}, {"203.0.114.7", ""},
		{"2001:db8::1", "denies 2001:db8::/32"},
		{"198.51.100.1", "denies 198.51.100.0/24"},
		{"::ffff:203.0.113.7", "denies"}, {"64:ff9b::203.0.113.7", "denies"}, {"2002:cb00:7107::", "denies"},
	} {
		to := netip.AddrPortFrom(netip.MustParseAddr(tt.addr), 80)
		got := reason(t, g.check(to))
		if (tt.why == "") != (got == "") || !strings.Contains(got, tt.why) {
			t.Errorf("%s: %q, want %q", tt.addr, got, tt.why)
		}
	}
}

func TestErrorNamesTheAddress(t *testing.T) {
	t.Parallel()
	err := newGuard(t, Config{}).check(netip.MustParseAddrPort("169.254.169.254:80"))
	if got, want := err.Error(), "egress: 169.254.169.254:80 is refused: it is a cloud metadata service"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
}

// stringAddr is a listener's address that is not a *net.TCPAddr.
type stringAddr string

func (stringAddr) Network() string  { return "tcp" }
func (a stringAddr) String() string { return string(a) }

func TestOwnListeners(t *testing.T) {
	t.Parallel()
	tcp := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	interfaces := []net.Addr{
		&net.IPNet{IP: net.IPv4(127, 0, 0, 1), Mask: net.CIDRMask(8, 32)},
		&net.IPNet{IP: net.IPv4(172, 17, 0, 1), Mask: net.CIDRMask(16, 32)},
		&net.IPNet{IP: net.ParseIP("2606:4700::1"), Mask: net.CIDRMask(64, 128)},
	}
	for _, tt := range []struct {
		own, to string
		refused bool
	}{
		{"127.0.0.1:8099", "127.0.0.1:8099", true},
		{"127.0.0.1:8099", "[::ffff:127.0.0.1]:8099", true},
		{"127.0.0.1:8099", "[64:ff9b::127.0.0.1]:8099", true},
		{"127.0.0.1:8099", "127.0.0.1:8088", false},
		{"127.0.0.1:8099", "127.0.0.2:8099", false},
		{"127.0.0.1:8099", "172.17.0.1:8099", false},
		{"[::1]:8099", "[::1]:8099", true},
		{"[::1]:8099", "127.0.0.1:8099", false},
		{"[fe80::1%eth0]:8099", "172.17.0.1:8099", false},
		{"[::ffff:172.17.0.1]:8099", "172.17.0.1:8099", true},
		{"0.0.0.0:8099", "127.9.9.9:8099", true},
		{"0.0.0.0:8099", "172.17.0.1:8099", true},
		{"0.0.0.0:8099", "[::1]:8099", true},
		{"0.0.0.0:8099", "172.17.0.2:8099", false},
		{"0.0.0.0:8099", "172.17.0.1:8088", false},
		{"[::]:8099", "172.17.0.1:8099", true},
		{"[::]:8099", "[2606:4700::1]:8099", true},
		{"[::]:8099", "[2606:4700::2]:8099", false},
		{"[::]:8099", "[2002:ac11:1::]:8099", true}, // 6to4 of 172.17.0.1
	} {
		g := newGuard(t, Config{Own: func() []net.Addr {
			return []net.Addr{nil, &net.UnixAddr{Name: "/run/sidegate.sock", Net: "unix"}, tcp(tt.own)}
		}})
		g.interfaces = func() ([]net.Addr, error) { return interfaces, nil }
		got := reason(t, g.check(netip.MustParseAddrPort(tt.to)))
		if strings.Contains(got, "the gateway itself listens there") != tt.refused || !tt.refused && got != "" {
			t.Errorf("listening on %s, dialing %s: %q, want refused %v", tt.own, tt.to, got, tt.refused)
		}
	}
}

// TestOwnListenersFailClosed holds that what cannot be read is not allowed.
func TestOwnListenersFailClosed(t *testing.T) {
	t.Parallel()
	to := netip.MustParseAddrPort("10.1.2.3:8099")
	odd := newGuard(t, Config{Own: func() []net.Addr { return []net.Addr{stringAddr("pipe")} }})
	if got := reason(t, odd.check(to)); !strings.Contains(got, "cannot be told apart") {
		t.Errorf("with an odd listener: %q", got)
	}
	wildcard := newGuard(t, Config{Own: func() []net.Addr { return []net.Addr{stringAddr("[::]:8099")} }})
	for _, interfaces := range []func() ([]net.Addr, error){
		func() ([]net.Addr, error) { return nil, errors.New("no netlink") },
		func() ([]net.Addr, error) { return []net.Addr{stringAddr("eth0")}, nil },
	} {
		wildcard.interfaces = interfaces
		if got := reason(t, wildcard.check(to)); !strings.Contains(got, "cannot be read") {
			t.Errorf("without the host's addresses: %q", got)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, p := range []netip.Prefix{{}, netip.MustParsePrefix("::ffff:0:0/90")} {
		if g, err := New(Config{Deny: []netip.Prefix{p}}); err == nil || g != nil {
			t.Errorf("New took %v", p)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"127.0.0.1:80", "[::ffff:a9fe:a9fe]:80", "[64:ff9b:1::1]:1", "[fe80::1%x]:443", "0.0.0.0:0"} {
		f.Add(s)
	}
	g := newGuard(f, Config{})
	f.Fuzz(func(t *testing.T, address string) {
		err := g.control(t.Context(), "tcp", address, nil)
		to, parseErr := netip.ParseAddrPort(address)
		if parseErr != nil && err == nil {
			t.Fatalf("%q is allowed and is no address", address)
		}
		if err != nil {
			return
		}
		// What is allowed is allowed in every spelling of the same address.
		for _, same := range []string{
			to.String(),
			fmt.Sprintf("[%s]:%d", netip.AddrFrom16(to.Addr().As16()), to.Port()),
		} {
			if err := g.control(t.Context(), "tcp", same, nil); err != nil {
				t.Fatalf("%q is allowed and %q is not: %v", address, same, err)
			}
		}
	})
}
