package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// A binding ties a client to certificates: its signatures hold only over a connection that presented one of them, which the TLS layer has verified.
type binding struct {
	dns, uri string            // a name in the certificate, or
	key      [sha256.Size]byte // the SHA-256 of its public key (SubjectPublicKeyInfo)
}

// newBinding reads dns:NAME, uri:URI or sha256:HEX.
func newBinding(text string) (binding, error) {
	kind, value, _ := strings.Cut(text, ":")
	b := binding{}
	ok := value != ""
	switch kind {
	case "dns":
		b.dns = lower(value)
		ok = ok && !strings.ContainsAny(value, "* /")
	case "uri":
		b.uri = value
	case "sha256":
		ok = decodeHex(b.key[:], value)
	default:
		ok = false
	}
	if !ok {
		return b, fmt.Errorf("auth: the certificate %q is not written dns:NAME, uri:URI or sha256:HEX of the public key", clip(text))
	}
	return b, nil
}

// matches reports whether a certificate is one that b names.
func (b binding) matches(c *x509.Certificate) bool {
	switch {
	case b.dns != "":
		for _, name := range c.DNSNames {
			if lower(name) == b.dns {
				return true
			}
		}
		return false
	case b.uri != "":
		for _, u := range c.URIs {
			if u.String() == b.uri {
				return true
			}
		}
		return false
	}
	key := keyDigest(c)
	return subtle.ConstantTimeCompare(key[:], b.key[:]) == 1
}

// presented reports whether a client may call over a connection with that certificate, which is nil where there is none. A connection may outlive its certificate.
func (known *clients) presented(client string, c *x509.Certificate, now time.Time) bool {
	bindings := known.bindings[client]
	if len(bindings) == 0 {
		return true
	}
	if c == nil || now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return false
	}
	for _, b := range bindings {
		if b.matches(c) {
			return true
		}
	}
	return false
}

// keyDigest is the SHA-256 of a certificate's public key, as a client is bound to it with sha256:HEX.
func keyDigest(c *x509.Certificate) [sha256.Size]byte {
	return sha256.Sum256(c.RawSubjectPublicKeyInfo)
}
