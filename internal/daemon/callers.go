package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
)

// clientsOf are the clients of a configuration for their verifier.
func clientsOf(c *config.Config) []auth.Client {
	clients := make([]auth.Client, len(c.Clients))
	for i, client := range c.Clients {
		clients[i] = auth.Client{
			Name: client.Name, Scheme: client.Scheme, UIDs: client.UIDs, PublicKeys: client.PublicKeys, Certificates: client.Certificates,
			Roles: client.Roles, Labels: client.Labels,
		}
		for _, secret := range client.Secrets {
			clients[i].Secrets = append(clients[i].Secrets, secret.Bytes())
		}
	}
	return clients
}

// kwargsOf is what callbacks hold beside the output, by client.
func kwargsOf(c *config.Config) map[string][]string {
	byClient := map[string][]string{}
	for _, client := range c.Clients {
		if len(client.CallbackKwargs) > 0 {
			byClient[client.Name] = client.CallbackKwargs
		}
	}
	return byClient
}

// namesOf are the names of this host that callers may call it by: that of the configuration, the operating system's, and those that it listens on.
func namesOf(c *config.Config) []string {
	names := []string{c.Host.Name}
	if name, err := os.Hostname(); err == nil {
		names = append(names, name)
	}
	for _, address := range c.Listen {
		if host, _, err := net.SplitHostPort(address); err == nil && !onSocket(address) {
			if _, err := netip.ParseAddr(host); err != nil {
				names = append(names, host)
			}
		}
	}
	return names
}

// checkCallers reports what keeps callers from a Unix socket, and who would get there that is not meant: a command is a process
// like others, and would be the client that has its user.
func checkCallers(c *config.Config, report func(key string, err error)) {
	if c.SocketGroup != "" {
		_, err := groupID(c.SocketGroup)
		report("socket_group", toMend(err, "create it (groupadd --system), or name a group of this host"))
	}
	for i, name := range append([]string{c.Executor.User}, c.Executor.Allow.RunAs...) {
		u, err := user.Lookup(name)
		if name == "" || err != nil { // which is told elsewhere
			continue
		}
		key := "executor.user"
		if i > 0 {
			key = fmt.Sprintf("executor.allow.run_as[%d]", i-1)
		}
		eachUser(c, func(at string, client config.Client, uid uint32) {
			if u.Uid == strconv.FormatUint(uint64(uid), 10) && u.Uid != strconv.Itoa(os.Geteuid()) {
				report(at, fmt.Errorf("is %s, whom commands run as by %s, so that any of them could call as the client %s; let commands run as another user, or take the number out",
					userName(uid), key, client.Name))
			}
		})
	}
}

// ownCommands tells which clients the gateway's own commands could call as, because they run as the gateway's user. Where
// nothing else can be had, such as by a person who tries a gateway, that is no reason not to start.
func ownCommands(c *config.Config, tell func(key, message string)) {
	asOwn := c.Executor.User == ""
	for _, name := range append([]string{c.Executor.User}, c.Executor.Allow.RunAs...) {
		u, err := user.Lookup(name)
		asOwn = asOwn || err == nil && u.Uid == strconv.Itoa(os.Geteuid())
	}
	eachUser(c, func(at string, client config.Client, uid uint32) {
		if asOwn && int(uid) == os.Geteuid() {
			tell(at, "commands run as this user too, the gateway's own, and one that can connect to the socket could call as the client "+client.Name+"; set executor.user")
		}
	})
}

// eachUser visits the users of all clients that are known by them, each with its key.
func eachUser(c *config.Config, visit func(at string, client config.Client, uid uint32)) {
	for i, client := range c.Clients {
		for j, uid := range client.UIDs {
			visit(fmt.Sprintf("clients[%d].uids[%d]", i, j), client, uid)
		}
	}
}

// onSocket reports whether an address of the configuration is that of a Unix socket.
func onSocket(address string) bool { return strings.HasPrefix(address, "unix:") }
