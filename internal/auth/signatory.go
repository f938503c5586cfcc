package auth

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
)

// MinSecret is the least that a secret for message signatures may have, in bytes: as much as a key of HMAC-SHA256 gives strength.
const MinSecret = 32

// addSignatory adds a client that makes message signatures: with secrets or with key pairs, of which the gateway has the public halves.
func (known *clients) addSignatory(c Client, p Principal, owners owned) error {
	secrets, public := len(c.Secrets), len(c.PublicKeys)
	if secrets > 0 && public > 0 || secrets+public < 1 || secrets+public > maxSecrets {
		return fmt.Errorf("auth: client %q has %d secrets and %d public keys, it must have one of the two, once, or twice during rotation", c.Name, secrets, public)
	}
	s := signatory{alg: AlgHMAC}
	if public > 0 {
		s.alg = AlgEd25519
	}
	for i := range secrets + public {
		var secret []byte
		var key ed25519.PublicKey
		var err error
		if public > 0 {
			key = append(key, c.PublicKeys[i]...)
			err = owners.takePublic(c.Name, i, key)
		} else if secret = c.Secrets[i]; len(secret) < MinSecret {
			err = fmt.Errorf("auth: secret %d of client %q is too short: message signatures need %d bytes; make one with: openssl rand -hex 32", i+1, c.Name, MinSecret)
		} else {
			err = owners.take(c.Name, i, secret)
		}
		if err != nil {
			return err
		}
		verifier, err := libraryVerifier(c.Name, s.alg, secret, key)
		if err != nil {
			return fmt.Errorf("auth: key %d of client %q cannot be used: %w", i+1, c.Name, err)
		}
		p.KeyID = strconv.Itoa(i + 1)
		s.keys = append(s.keys, signatoryKey{owner: p, verifier: *verifier})
	}
	known.signatories[c.Name] = s
	return nil
}

// takePublic makes a public key a client's, which nobody else may have.
func (o owned) takePublic(client string, i int, key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("auth: public key %d of client %q has %d bytes, and an ed25519 key has %d", i+1, client, len(key), ed25519.PublicKeySize)
	}
	if anybodySigns(key) {
		return fmt.Errorf("auth: public key %d of client %q is one that anybody can sign for; make a new pair", i+1, client)
	}
	if other, ok := o.public[string(key)]; ok {
		return fmt.Errorf("auth: clients %q and %q have the same public key, or one has it twice", other, client)
	}
	o.public[string(key)] = client
	return nil
}

// smallOrder are the points of small order, in every encoding that a reader may take, without the sign: 0, 1, the two of order 8, and p-1, p and p+1.
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

// anybodySigns reports whether a public key is a point of small order. For such a key a signature of nothing (the neutral point, and zero) verifies for one message
// in eight or more, without a private key. No decent key generator makes one; a hostile hand may have.
func anybodySigns(key ed25519.PublicKey) bool {
	unsigned := slices.Clone(key)
	unsigned[len(unsigned)-1] &= 0x7f
	return slices.Contains(smallOrder, hex.EncodeToString(unsigned))
}
