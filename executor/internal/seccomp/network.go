package seccomp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Network is how much of the network the filter leaves.
type Network string

// The networks, each with what the one before has. Families that no network has, AF_PACKET and AF_VSOCK among them, are refused in each.
const (
	NetworkNone    Network = "none"    // Unix-domain sockets
	NetworkNetlink Network = "netlink" // and netlink, to ask about interfaces, routes and sockets
	NetworkFull    Network = "full"    // and IPv4 and IPv6
)

// The protocols of netlink that commands ask with. The others configure (netfilter, IPsec), or are for the host's daemons (audit, SELinux).
var netlinkProtocols = []uint32{unix.NETLINK_ROUTE, unix.NETLINK_SOCK_DIAG, unix.NETLINK_KOBJECT_UEVENT, unix.NETLINK_GENERIC}

// The protocols of IPv4 and IPv6 that commands speak. The others would load rarely used modules (SCTP, DCCP, L2TP) into the kernel.
var internetProtocols = []uint32{unix.IPPROTO_IP, unix.IPPROTO_ICMP, unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_ICMPV6, unix.IPPROTO_MPTCP}

// sockets returns what of socket(2) is refused. EAFNOSUPPORT is what a kernel without the family answers: resolvers go on with others.
func (n Network) sockets() (conditional, error) {
	families := []uint32{unix.AF_UNIX}
	var protocols []refusal
	if n == NetworkNetlink || n == NetworkFull {
		families = append(families, unix.AF_NETLINK)
		protocols = append(protocols, unlisted(netlinkProtocols, unix.AF_NETLINK))
	}
	if n == NetworkFull {
		families = append(families, unix.AF_INET, unix.AF_INET6)
		protocols = append(protocols, unlisted(internetProtocols, unix.AF_INET, unix.AF_INET6))
	}
	switch n {
	case NetworkNone, NetworkNetlink, NetworkFull:
	default:
		return conditional{}, fmt.Errorf("seccomp: unknown network %q", n)
	}
	return conditional{
		why:     "the family is not part of the network that the job was given",
		name:    "socket",
		refusal: append([]refusal{{unix.EAFNOSUPPORT, []test{{0, noneOf, families}}}}, protocols...),
	}, nil
}

// unlisted refuses the families' protocols other than the listed ones.
func unlisted(protocols []uint32, families ...uint32) refusal {
	return refusal{unix.EPROTONOSUPPORT, []test{{0, oneOf, families}, {2, noneOf, protocols}}}
}
