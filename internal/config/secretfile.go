package config

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxSecretSize bounds a secret's file, in bytes.
const maxSecretSize = 4 << 10

// secret is a single secret's file.
func secret(dst *[]Secret) value {
	v := value{kind: "a path"}
	v.read = func(d *decoder, key string, n *yaml.Node) {
		var s Secret
		secretItem(&s).read(d, key, n)
		*dst = append(*dst, s)
	}
	return v
}

// secretItem is one file of a list of them. A secret that the configuration has
// already is a problem: a signature could not say whose it is.
func secretItem(dst *Secret) value {
	return onlyOnce("secret", (*decoder).readSecret, func(d *decoder) map[string]string { return d.secrets }, func(b []byte) { *dst = NewSecret(b) })
}

// onlyOnce is a file whose content no other of its kind may have. had holds those that were read, with the keys that name them.
func onlyOnce(kind string, read func(*decoder, *yaml.Node) ([]byte, error), had func(*decoder) map[string]string, keep func([]byte)) value {
	return value{kind: "a path", read: func(d *decoder, key string, n *yaml.Node) {
		if n.Kind != yaml.ScalarNode {
			d.report(n.Line, key, "must be a path, not %s", nodeKind(n))
			return
		}
		content, err := read(d, n)
		if err != nil {
			d.report(n.Line, key, "%s", err)
			return
		}
		if other, ok := had(d)[string(content)]; ok {
			d.report(n.Line, key, "holds the same %[1]s as %[2]s on line %[3]d; every %[1]s must differ", kind, other, d.lines[other])
			return
		}
		had(d)[string(content)] = key
		keep(content)
	}}
}

// optionalSecret is one file, or empty for none.
func optionalSecret(dst *Secret) value {
	some := secretItem(dst)
	return value{kind: some.kind, read: func(d *decoder, key string, n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && isString(n) && n.Value == "" {
			return
		}
		some.read(d, key, n)
	}}
}

// ReadSecret reads a secret's file by the rules of the configuration, for programs
// that sign: a regular file that others have no access to, less one trailing line
// feed. A relative path starts at the working directory.
func ReadSecret(path string) (Secret, error) {
	b, err := readSecretFile(path)
	if err != nil {
		return Secret{}, fmt.Errorf("the secret's file %s cannot be used: %s", path, plain(err))
	}
	return Secret{b}, nil
}

// readSecret reads the file that n names.
func (d *decoder) readSecret(n *yaml.Node) ([]byte, error) {
	s, err := stringOf(n)
	if err != nil {
		return nil, err
	}
	if s == "" {
		return nil, errors.New("must not be empty")
	}
	name, err := d.locate(s)
	if err != nil {
		return nil, err
	}
	b, err := readSecretFile(name)
	if err != nil {
		return nil, describe(err, s)
	}
	d.private = append(d.private, name)
	return b, nil
}

// readSecretFile takes exactly one trailing line feed off what it reads. A carriage
// return before it stays: it is a byte like any other.
func readSecretFile(name string) ([]byte, error) {
	f, err := open(name, privateFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretSize+1))
	if err != nil {
		return nil, err
	}
	return trimSecret(b)
}

// trimSecret takes the trailing line feed off and checks what is left. Only text
// can be used as "the secret as UTF-8", which is the key of the func scheme. NUL
// is refused because HMAC pads keys with it: two secrets that differ in trailing
// NULs would be the same key.
func trimSecret(b []byte) ([]byte, error) {
	if len(b) > maxSecretSize {
		return nil, errors.New("is larger than 4 KiB")
	}
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
	}
	switch {
	case len(b) == 0:
		return nil, errors.New("is empty")
	case !utf8.Valid(b):
		return nil, errors.New("is not UTF-8 text; make a secret with: openssl rand -hex 32")
	case strings.ContainsRune(string(b), 0):
		return nil, errors.New("has a NUL byte; make a secret with: openssl rand -hex 32")
	}
	return b, nil
}
