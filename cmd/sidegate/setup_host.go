package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/sidegate/sidegate/internal/config"
)

// dockerBridge is where containers on Docker's own network find their host.
const dockerBridge = "172.17.0.1"

// defaultListen are the addresses that the Sidecar's users know, as far as this host has them.
func defaultListen(offline bool) []string {
	listen := []string{config.Default().Listen[0]}
	addresses, err := net.InterfaceAddrs()
	if err != nil || offline {
		return listen
	}
	if slices.ContainsFunc(addresses, func(a net.Addr) bool { n, ok := a.(*net.IPNet); return ok && n.IP.String() == dockerBridge }) {
		listen = append(listen, net.JoinHostPort(dockerBridge, "8099"))
	}
	return listen
}

// hostHolds finds out whether this host has the sandbox and the addresses of a first configuration, and whether they are free.
func (o setupOptions) hostHolds(listen []string) error {
	if err := (initOptions{sandbox: o.sandbox}).sandboxHolds(); err != nil {
		return err
	}
	if listen == nil {
		listen = defaultListen(o.offline)
	}
	for _, address := range listen {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			continue // which the configuration's check says better
		}
		err = canListen(net.JoinHostPort(host, "0"))
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			return fmt.Errorf("%s is no address of this host now, so nothing could listen on it: start what has it (docker0 is there once Docker runs), or say with --bind where callers connect", host)
		}
		if o.migrate != "" {
			continue // the Sidecar has them still
		}
		if errors.Is(canListen(address), syscall.EADDRINUSE) {
			return inUse(address)
		}
	}
	return nil
}

// inUse says what to do about an address that something else listens on.
func inUse(address string) error {
	if _, err := os.Stat("/etc/dataflux-func-sidecar"); err == nil {
		return fmt.Errorf("something listens on %s already, and a DataFlux Func Sidecar is installed: take over from it with --migrate, or stop it, or choose another address with --bind", address)
	}
	return fmt.Errorf("something listens on %s already: stop it (ss -ltnp shows what it is), or choose another address with --bind", address)
}

func canListen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}

// networkOf leaves Unix sockets out of a list of addresses.
func networkOf(listen []string) []string {
	return slices.DeleteFunc(slices.Clone(listen), func(a string) bool { return strings.HasPrefix(a, "unix:") })
}

func sameAddresses(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, networkOf(b))
}

// holdsSecret tells whether some client of the configuration has a secret.
func holdsSecret(c *config.Config, secret string) bool {
	return slices.ContainsFunc(c.Clients, func(client config.Client) bool {
		return slices.ContainsFunc(client.Secrets, func(s config.Secret) bool { return string(s.Bytes()) == secret })
	})
}
