package config

// minSignatorySecret is the least that the secret of a message signature may have, in bytes.
const minSignatorySecret = 32

// validateSignatory holds that a client that makes HTTP message signatures has what they are verified with: secrets, or public keys, and no more than two.
func (d *decoder) validateSignatory(key string, client Client) {
	sources := []string{".secret_file", ".secret_files", ".public_key_file", ".public_key_files"}
	var given []string
	for _, name := range sources {
		if d.has(key+name) && (d.failed(key+name) || name != ".public_key_file" || len(client.PublicKeys) > 0) { // "" is none
			given = append(given, key+name)
		}
	}
	switch {
	case len(client.UIDs) > 0:
		d.complain(key+".uids", "is for scheme peercred; this client is known by its signature")
	case len(given) == 0:
		d.complain(key+".public_key_file", "is required, or secret_file: what the signatures of this client are verified with; make it with: sidegate keys new")
	case len(given) > 1 && !d.failed(given[1]):
		d.complain(given[1], "%s is set too; use one of the two", given[0])
	case d.failed(given[0]):
	case len(client.Secrets)+len(client.PublicKeys) < 1 || len(client.Secrets)+len(client.PublicKeys) > 2:
		d.complain(given[0], "must list one file, or two during rotation")
	}
	for i, secret := range client.Secrets {
		at := key + ".secret_file"
		if d.has(key + ".secret_files") {
			at = indexed(key+".secret_files", i)
		}
		if !secret.IsZero() && len(secret.value) < minSignatorySecret && !d.failed(at) {
			d.complain(at, "holds %d bytes, and message signatures need %d at least; make a secret with: openssl rand -hex 32", len(secret.value), minSignatorySecret)
		}
	}
}

// validateBinding holds that a client is bound to certificates only where it can present one.
func (d *decoder) validateBinding(key string, client Client, t TLS) {
	at := key + ".certificates"
	d.unique(at, client.Certificates)
	switch {
	case len(client.Certificates) == 0 || d.failed(at):
	case client.Scheme == "peercred":
		d.complain(at, "is not for scheme peercred: there is no TLS on a Unix socket")
	case t.ClientCAFile == "" && !d.failed("tls"):
		d.complain(at, "needs tls.client_ca_file: without it callers present no certificate, and this client could never call")
	}
}

// given is the first of these keys of a client that the file has.
func (d *decoder) given(key string, names ...string) string {
	for _, name := range names {
		if d.has(key + name) {
			return key + name
		}
	}
	return key
}
