package config

import (
	"slices"
	"strings"
)

func (d *decoder) validateClients(c *Config) {
	if len(c.Clients) == 0 && d.has("clients") && !d.failed("clients") {
		d.complain("clients", "must list at least one client")
	}
	d.validateUsers(c)
	first := map[string]string{}
	for i, client := range c.Clients {
		key := indexed("clients", i)
		switch {
		case d.broken[key]: // not a mapping at all
		case client.Scheme == "peercred":
			d.validatePeer(key, client, c.Listen)
		case client.Scheme == "httpsig":
			d.validateSignatory(key, client)
		default:
			d.validateSigner(key, client)
		}
		d.validateBinding(key, client, c.TLS)
		d.unique(key+".roles", client.Roles)
		d.unique(key+".callback_kwargs", client.CallbackKwargs)
		if client.Name == "" {
			continue
		}
		if other, ok := first[client.Name]; ok {
			d.complain(key+".name", "the name %s is taken by %s on line %d", quote(client.Name), other, d.lines[other])
			continue
		}
		first[client.Name] = key
	}
}

// validateSigner holds that a client that signs has what it signs with, and nothing else.
func (d *decoder) validateSigner(key string, client Client) {
	one, list := d.has(key+".secret_file"), d.has(key+".secret_files")
	switch {
	case one && list:
		d.complain(key+".secret_files", "secret_file is set too; use one of the two")
	case d.has(key+".scheme") && d.failed(key+".scheme"): // another scheme needs other keys
	case len(client.UIDs) > 0 && client.Scheme == "func":
		d.complain(key+".uids", "is for scheme peercred; this client is known by its signature")
	case len(client.PublicKeys) > 0 && client.Scheme == "func":
		d.complain(d.given(key, ".public_key_file", ".public_key_files"), "is for scheme httpsig; the func scheme has secrets only")
	case !one && !list && len(client.UIDs) == 0:
		d.complain(key+".secret_file", "is required")
	case list && !d.failed(key+".secret_files") && (len(client.Secrets) < 1 || len(client.Secrets) > 2):
		d.complain(key+".secret_files", "must list one file, or two during rotation")
	}
}

// validatePeer holds that a client that does not sign has users and no secret, and that
// there is a socket where they can connect.
func (d *decoder) validatePeer(key string, client Client, listen []string) {
	for _, name := range []string{".secret_file", ".secret_files"} {
		if d.has(key + name) {
			d.complain(key+name, "is not for scheme peercred, which has no secret: the kernel says whose process connects")
		}
	}
	if len(client.PublicKeys) > 0 {
		d.complain(d.given(key, ".public_key_file", ".public_key_files"), "is not for scheme peercred, which has no keys: the kernel says whose process connects")
	}
	if len(client.UIDs) == 0 && !d.failed(key+".uids") {
		d.complain(key+".uids", "is required with scheme peercred: the numbers of the users whose processes are this client, such as [1000]")
	}
	onSocket := func(address string) bool { return strings.HasPrefix(address, "unix:") }
	if !slices.ContainsFunc(listen, onSocket) && !d.failed("listen") {
		d.complain(key+".scheme", "peercred is for callers on a Unix socket, and listen names none; add one, such as unix:/run/sidegate/sidegate.sock")
	}
}

// validateUsers holds that a user is one client.
func (d *decoder) validateUsers(c *Config) {
	type place struct{ client, item int }
	first := map[uint32]place{}
	for i, client := range c.Clients {
		for j, id := range client.UIDs {
			key := indexed(indexed("clients", i)+".uids", j)
			other, ok := first[id]
			switch {
			case d.failed(key): // it has no number
			case !ok:
				first[id] = place{i, j}
			case other.client == i:
				d.complain(key, "repeats item %d of the list", other.item)
			default:
				d.complain(key, "the uid %d is in the uids of %s (line %d) and of %s; a user is one client",
					id, nameOf(c, other.client), d.lines[indexed("clients", other.client)], nameOf(c, i))
			}
		}
	}
}

// nameOf is what to call a client, which may have no name.
func nameOf(c *Config, i int) string {
	if name := c.Clients[i].Name; name != "" {
		return quote(name)
	}
	return indexed("clients", i)
}
