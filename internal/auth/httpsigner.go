package auth

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"net/http"
	"slices"

	"github.com/yaronf/httpsign"
)

// label is the name of our signatures. It has no meaning.
const label = "sig1"

// alsoCovered are the fields that change what a request asks for, and are covered where they are there.
var alsoCovered = []string{"accept", "content-type", "last-event-id", "prefer", "range"}

// A Signer makes HTTP message signatures as one client. It is safe for concurrent use.
type Signer struct {
	client, alg string
	secret      []byte
	private     ed25519.PrivateKey
}

// NewHMACSigner returns a Signer with a secret that the gateway has too, of MinSecret bytes at least.
func NewHMACSigner(client string, secret []byte) (*Signer, error) {
	if client == "" || len(secret) < MinSecret {
		return nil, fmt.Errorf("message signatures need the client's name and a secret of %d bytes at least; make one with: sidegate keys new --type hmac NAME", MinSecret)
	}
	return &Signer{client: client, alg: AlgHMAC, secret: padded(secret)}, nil
}

// NewEd25519Signer returns a Signer with a private key, of which the gateway has the public half.
func NewEd25519Signer(client string, private ed25519.PrivateKey) (*Signer, error) {
	if client == "" || len(private) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("message signatures need the client's name and an ed25519 key; make one with: sidegate keys new --type ed25519 NAME")
	}
	return &Signer{client: client, alg: AlgEd25519, private: bytes.Clone(private)}, nil
}

// Client is the name that signatures bear as their keyid.
func (s *Signer) Client() string { return s.client }

// Sign signs a request that is about to be sent with that body, once: it takes a nonce of its own. What is there of a signature is replaced. Nothing of the request
// may be changed afterwards.
func (s *Signer) Sign(r *http.Request, body []byte) error {
	for _, name := range []string{headerInput, headerSignature} {
		r.Header.Del(name)
	}
	r.Header.Set(headerDigest, contentDigest(body))
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	r.Host = normalAuthority(host, r.URL.Scheme == "https")
	components := slices.Clone(required)
	for _, name := range alsoCovered {
		switch n := len(r.Header.Values(name)); {
		case n > 1:
			return fmt.Errorf("auth: the field %s cannot be signed, because it is there twice", name)
		case n == 1:
			components = append(components, name)
		}
	}
	signer, err := s.forLibrary(components)
	if err != nil {
		return err
	}
	target := *r.URL // the library writes into it
	if target.Path == "" {
		target.Path = "/"
	}
	input, signature, err := httpsign.SignRequest(label, *signer, &http.Request{Method: r.Method, URL: &target, Host: r.Host, Header: r.Header})
	if err != nil {
		return fmt.Errorf("auth: the request cannot be signed: %w", err)
	}
	r.Header.Set(headerInput, input)
	r.Header.Set(headerSignature, signature)
	return nil
}

func (s *Signer) forLibrary(components []string) (*httpsign.Signer, error) {
	config := httpsign.NewSignConfig().SignAlg(false).SetNonce(NewNonce()).SetKeyID(s.client).SetTag(ourTag)
	if s.alg == AlgHMAC {
		return httpsign.NewHMACSHA256Signer(s.secret, config, httpsign.Headers(components...))
	}
	return httpsign.NewEd25519Signer(s.private, config, httpsign.Headers(components...))
}
