package executor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Sockets of every family there is. A network leaves some of them; whatever else the kernel has must be refused.

// families are those that each network leaves.
var families = map[Network][]int{
	NetworkNone:    {unix.AF_UNIX},
	NetworkNetlink: {unix.AF_UNIX, unix.AF_NETLINK},
	NetworkFull:    {unix.AF_UNIX, unix.AF_NETLINK, unix.AF_INET, unix.AF_INET6},
}

func socketTries(network Network) []try {
	left := families[network]
	with := fmt.Sprintf(" (network %s)", network)
	tries := []try{
		{name: "open a socket of another family" + with, do: func(s *scene) error { return anyFamily(s, left, 0, openSocket) }},
		{name: "open a socket of another family with a number above 32 bits" + with, do: func(s *scene) error { return anyFamily(s, left, 1<<32, openSocket) }},
		{name: "open a socket of another family by the x32 convention" + with, do: func(s *scene) error { return anyFamily(s, left, 0, openX32) }, excuse: always("the kernel has no such call")},
		{name: "make a pair of sockets of another family" + with, do: func(s *scene) error { return anyFamily(s, []int{unix.AF_UNIX}, 0, openPair) },
			excuse: always("the kernel has no other family with pairs")},
		{name: "open a raw socket" + with, do: openRaw, excuse: needs(unix.CAP_NET_RAW)},
	}
	if network != NetworkFull {
		tries = append(tries, try{name: "connect to the gateway over the loopback" + with, do: connectTCP})
	}
	if network == NetworkFull {
		tries = append(tries,
			try{name: "take the gateway's port (SO_REUSEPORT)", do: takePort, excuse: always("nobody can")},
			try{name: "open a packet socket by its old name (SOCK_PACKET)", do: func(*scene) error { return openSocket(unix.AF_INET, unix.SOCK_PACKET, 0) },
				excuse: needs(unix.CAP_NET_RAW)},
		)
	}
	if network != NetworkNone {
		tries = append(tries, try{name: "open a netlink socket that configures (netfilter)" + with, do: func(*scene) error {
			return openSocket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER)
		}, excuse: always("the kernel may not have it")})
	}
	return tries
}

// lastFamily is beyond those that the kernel knows.
const lastFamily = 47

// anyFamily opens a socket of each family that is not left, of any type, and says of which it could.
func anyFamily(s *scene, left []int, more uintptr, open func(family, kind, protocol uintptr) error) error {
	var opened []string
	var last error
	for family := range lastFamily + 1 {
		if slices.Contains(left, family) {
			continue
		}
		for kind := uintptr(unix.SOCK_STREAM); kind <= unix.SOCK_SEQPACKET; kind++ {
			err := open(uintptr(family)|more, kind, 0)
			if err == nil {
				opened = append(opened, fmt.Sprint(family))
				break
			}
			last = err
		}
	}
	if len(opened) == 0 {
		return last
	}
	s.say("families %s", strings.Join(opened, " "))
	return nil
}

func openSocket(family, kind, protocol uintptr) error {
	fd, err := invoke(unix.SYS_SOCKET, family, kind|unix.SOCK_CLOEXEC, protocol)
	if err == nil {
		unix.Close(int(fd))
	}
	return err
}

func openX32(family, kind, protocol uintptr) error {
	fd, err := invoke(1<<30|unix.SYS_SOCKET, family, kind|unix.SOCK_CLOEXEC, protocol)
	if err == nil {
		unix.Close(int(fd))
	}
	return err
}

func openPair(family, kind, protocol uintptr) error {
	var fds [2]int32
	_, err := invoke(unix.SYS_SOCKETPAIR, family, kind|unix.SOCK_CLOEXEC, protocol, address(&fds))
	if err == nil {
		unix.Close(int(fds[0]))
		unix.Close(int(fds[1]))
	}
	return err
}

func openRaw(*scene) error { return openSocket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP) }

func connectTCP(s *scene) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrInet4{Port: s.Port, Addr: [4]byte{127, 0, 0, 1}})
}

// takePort listens where the gateway does.
func takePort(s *scene) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Port: s.Port, Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 1))
}
