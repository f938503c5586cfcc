package config

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxKeySize bounds a public key's file, in bytes.
const maxKeySize = 4 << 10

// optionalPublicKey is one file with a public key, or empty for none.
func optionalPublicKey(dst *[]ed25519.PublicKey) value {
	v := value{kind: "a path"}
	v.read = func(d *decoder, key string, n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && isString(n) && n.Value == "" {
			return
		}
		var k ed25519.PublicKey
		publicKeyItem(&k).read(d, key, n)
		*dst = append(*dst, k)
	}
	return v
}

// publicKeyItem is one file of a list of them. A key that the configuration has already is a problem: it would be two clients.
func publicKeyItem(dst *ed25519.PublicKey) value {
	return onlyOnce("public key", (*decoder).readPublicKey, func(d *decoder) map[string]string { return d.publicKeys }, func(k []byte) { *dst = k })
}

// readPublicKey reads the file that n names.
func (d *decoder) readPublicKey(n *yaml.Node) ([]byte, error) {
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
	f, err := open(name, publicFile)
	if err != nil {
		return nil, describe(err, s)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeySize+1))
	if err == nil && len(text) > maxKeySize {
		err = errors.New("is larger than 4 KiB")
	}
	if err != nil {
		return nil, describe(err, s)
	}
	k, err := parsePublicKey(text)
	if err != nil {
		return nil, describe(err, s)
	}
	d.public = append(d.public, name)
	return k, nil
}

const makePair = "; make a pair with: sidegate keys new --type ed25519 NAME"

// parsePublicKey reads one ed25519 public key in PEM form, and nothing else.
func parsePublicKey(text []byte) (ed25519.PublicKey, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("holds no public key in PEM form" + makePair)
	case strings.Contains(block.Type, "PRIVATE KEY"):
		return nil, errors.New("holds a private key, which belongs to the caller alone; what belongs here is printed by: openssl pkey -in FILE -pubout")
	case block.Type != "PUBLIC KEY" || len(block.Headers) > 0:
		return nil, errors.New("must begin with -----BEGIN PUBLIC KEY-----" + makePair)
	case strings.TrimSpace(string(rest)) != "":
		return nil, errors.New("must hold one public key and nothing else; a second one belongs in a file of its own, under public_key_files")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("holds a public key that cannot be read" + makePair)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("holds a public key of another kind than ed25519" + makePair)
	}
	return key, nil
}
