package egress

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestRefusals has URLs as a hostile caller may write them, what their names resolve to, and what each of them comes to.
func TestRefusals(t *testing.T) {
	t.Parallel()
	port, requests := receiver(t, func(http.ResponseWriter, *http.Request) {})
	own := netip.MustParseAddrPort("127.0.0.1:" + port)
	for _, tt := range []struct {
		url  string
		dns  string // separated by spaces; the first lookup of the name
		want string
	}{
		// Addresses.
		{"http://169.254.169.254/", "", "egress: 169.254.169.254:80 is refused: it is a cloud metadata service"},
		{"http://169.254.0.1/", "", "egress: 169.254.0.1:80 is refused: it is a link-local address"},
		{"http://169.254.170.2/v2/credentials", "", "egress: 169.254.170.2:80 is refused: it is a link-local address"},
		{"http://[fd00:ec2::254]/", "", "egress: [fd00:ec2::254]:80 is refused: it is a cloud metadata service"},
		{"http://[FD00:0EC2:0:0:0:0:0:254]/", "", "egress: [fd00:ec2::254]:80 is refused: it is a cloud metadata service"},
		{"http://[::ffff:169.254.169.254]/", "", "egress: 169.254.169.254:80 is refused: it is a cloud metadata service"},
		{"http://[::ffff:a9fe:a9fe]/", "", "egress: 169.254.169.254:80 is refused: it is a cloud metadata service"},
		{"http://[::169.254.169.254]/", "", "egress: [::a9fe:a9fe]:80 is refused: it stands for 169.254.169.254, and it is a cloud metadata service"},
		{"http://[64:ff9b::169.254.169.254]/", "", "egress: [64:ff9b::a9fe:a9fe]:80 is refused: it stands for 169.254.169.254, and it is a cloud metadata service"},
		{"http://[64:ff9b::a9fe:a9fe]/", "", "egress: [64:ff9b::a9fe:a9fe]:80 is refused: it stands for 169.254.169.254, and it is a cloud metadata service"},
		{"http://[64:ff9b:1::169.254.169.254]/", "", "egress: [64:ff9b:1::a9fe:a9fe]:80 is refused: it stands for 169.254.169.254, and it is a cloud metadata service"},
		{"http://[2002:a9fe:a9fe::1]/", "", "egress: [2002:a9fe:a9fe::1]:80 is refused: it stands for 169.254.169.254, and it is a cloud metadata service"},
		{"http://[fe80::1]/", "", "egress: [fe80::1]:80 is refused: it is a link-local address"},
		{"http://[fe80::a9fe:a9fe]/", "", "egress: [fe80::a9fe:a9fe]:80 is refused: it is a link-local address"},
		{"http://[fe80::1%25lo]/", "", "egress: [fe80::1%lo]:80 is refused: it has an IPv6 zone"},
		{"http://[fe80::a9fe:a9fe%25eth0]/", "", "egress: [fe80::a9fe:a9fe%eth0]:80 is refused: it has an IPv6 zone"},
		{"http://[::1%25lo]/", "", "egress: [::1%lo]:80 is refused: it has an IPv6 zone"},
		{"http://0.0.0.0/", "", "egress: 0.0.0.0:80 is refused: it is an unspecified address, which means this host"},
		{"http://[::]/", "", "egress: [::]:80 is refused: it is an unspecified address, which means this host"},
		{"http://[::ffff:0.0.0.0]/", "", "egress: 0.0.0.0:80 is refused: it is an unspecified address, which means this host"},
		{"http://:80/", "", `egress: refused: ":80" is not an address and a port`},
		{"http://224.0.0.1/", "", "egress: 224.0.0.1:80 is refused: it is a multicast address"},
		{"http://[ff02::1]/", "", "egress: [ff02::1]:80 is refused: it is a multicast address"},
		{"http://255.255.255.255/", "", "egress: 255.255.255.255:80 is refused: it is the broadcast address"},
		{"http://240.0.0.1/", "", "egress: 240.0.0.1:80 is refused: it is a reserved address"},
		{"http://100.100.100.200/", "", "egress: 100.100.100.200:80 is refused: it is a cloud metadata service"},
		{"http://168.63.129.16/", "", "egress: 168.63.129.16:80 is refused: it is a cloud metadata service"},
		// The gateway itself.
		{"http://127.0.0.1:PORT/", "", "egress: 127.0.0.1:PORT is refused: the gateway itself listens there"},
		{"http://[::ffff:127.0.0.1]:PORT/", "", "egress: 127.0.0.1:PORT is refused: the gateway itself listens there"},
		{"http://[64:ff9b::127.0.0.1]:PORT/", "", "egress: [64:ff9b::7f00:1]:PORT is refused: it stands for 127.0.0.1, and the gateway itself listens there"},
		{"https://127.0.0.1:PORT/", "", "egress: 127.0.0.1:PORT is refused: the gateway itself listens there"},
		{"http://own.test.:PORT/", "127.0.0.1", "egress: 127.0.0.1:PORT is refused: the gateway itself listens there"},
		// Names.
		{"http://one.test./", "169.254.169.254", "egress: 169.254.169.254:80 is refused: it is a cloud metadata service"},
		{"http://six.test./", "fd00:ec2::254", "egress: [fd00:ec2::254]:80 is refused: it is a cloud metadata service"},
		{"http://mapped.test./", "::ffff:169.254.169.254", "egress: 169.254.169.254:80 is refused: it is a cloud metadata service"},
		{"http://zero.test./", "0.0.0.0", "egress: 0.0.0.0:80 is refused: it is an unspecified address, which means this host"},
		// Other spellings of IPv4 addresses. Go takes them for names, of which those in decimal are none; the C library, which may resolve in its place, takes them for
		// addresses. ParseDestination of package callback refuses all of them.
		{"http://2852039166/", "169.254.169.254", `Get "http://2852039166/": dial tcp: lookup 2852039166: no such host`},
		{"http://0xa9fea9fe/", "169.254.169.254", "egress: 169.254.169.254:80 is refused: it is a cloud metadata service"},
		{"http://0xa9.0xfe.0xa9.0xfe/", "169.254.169.254", "egress: 169.254.169.254:80 is refused: it is a cloud metadata service"},
		{"http://0251.0376.0251.0376/", "169.254.169.254", `Get "http://0251.0376.0251.0376/": dial tcp: lookup 0251.0376.0251.0376: no such host`},
		{"http://169.254.43518/", "169.254.169.254", `Get "http://169.254.43518/": dial tcp: lookup 169.254.43518: no such host`},
		{"http://169.16689662/", "169.254.169.254", `Get "http://169.16689662/": dial tcp: lookup 169.16689662: no such host`},
		{"http://169.254.169.254.:80/", "169.254.169.254", `Get "http://169.254.169.254.:80/": dial tcp: lookup 169.254.169.254.: no such host`},
		{"http://0/", "0.0.0.0", `Get "http://0/": dial tcp: lookup 0: no such host`},
		{"http://2852039166/", "", `Get "http://2852039166/": dial tcp: lookup 2852039166: no such host`},
		{"http://0251.0376.0251.0376/", "", `Get "http://0251.0376.0251.0376/": dial tcp: lookup 0251.0376.0251.0376: no such host`},
		// What is not TCP.
		{"unix:///run/docker.sock", "", `Get "unix:///run/docker.sock": unsupported protocol scheme "unix"`},
		{"http+unix://run.docker.sock/", "", `Get "http+unix://run.docker.sock/": unsupported protocol scheme "http+unix"`},
		{"file:///etc/shadow", "", `Get "file:///etc/shadow": unsupported protocol scheme "file"`},
		{"gopher://169.254.169.254/", "", `Get "gopher://169.254.169.254/": unsupported protocol scheme "gopher"`},
	} {
		cfg := Config{Own: func() []net.Addr { return []net.Addr{net.TCPAddrFromAddrPort(own)} }}
		dns := &fakeDNS{answers: [][]string{strings.Fields(tt.dns)}}
		cfg.Resolver = dns.resolver()
		client := newGuard(t, cfg).Client(time.Minute)
		_, err := get(t, client, strings.ReplaceAll(tt.url, "PORT", port))
		var refused *RefusedError
		got := ""
		if errors.As(err, &refused) {
			got = refused.Error()
		} else if err != nil {
			got = err.Error()
		}
		if want := strings.ReplaceAll(tt.want, "PORT", port); got != want {
			t.Errorf("%s (%s):\n got %s\nwant %s", tt.url, tt.dns, got, want)
		}
	}
	if requests.Load() != 0 {
		t.Errorf("%d requests came through", requests.Load())
	}
}
