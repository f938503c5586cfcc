package audit

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// A Key signs the checkpoints of one log, and makes the keyed digests of its leaves. It is safe for concurrent use.
type Key struct {
	signer note.Signer
	public string // as ParseKeys reads it
	secret []byte // of the digests
	known  Keys
	fresh  bool
}

const privatePrefix = "PRIVATE+KEY+"

// newPrivate makes a private key for a log on host, as one line. The log gets a name that no other has, whatever hosts are called.
func newPrivate(host string) (string, error) {
	var id [4]byte
	rand.Read(id[:]) // never fails
	private, _, err := note.GenerateKey(rand.Reader, originOf(host, hex.EncodeToString(id[:])))
	return private, err
}

// originOf names a log: "web-1/sidegate/3f9a2c17". What cannot stand in a name becomes a dash.
func originOf(host, id string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '-'
	}, host[:min(len(host), 200)])
	if name == "" {
		name = "host"
	}
	return name + "/sidegate/" + id
}

// parsePrivate reads a private key. No error quotes it.
func parsePrivate(line string) (*Key, error) {
	malformed := fmt.Errorf("%w: a private key is one line that begins with %s", ErrKey, privatePrefix)
	signer, err := note.NewSigner(line)
	if err != nil || !isOrigin(signer.Name()) {
		return nil, malformed
	}
	// PRIVATE, KEY, name, hash, and behind them an algorithm and the seed, in base64, which may have plus signs.
	encoded, err := base64.StdEncoding.Strict().DecodeString(strings.SplitN(line, "+", 5)[4])
	if err != nil || len(encoded) != 1+ed25519.SeedSize {
		return nil, malformed
	}
	seed := encoded[1:]
	k := &Key{signer: signer}
	if k.public, err = note.NewEd25519VerifierKey(signer.Name(), ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)); err != nil {
		return nil, malformed
	}
	if k.secret, err = hkdf.Key(sha256.New, seed, nil, "sidegate audit digests v1", sha256.Size); err != nil {
		return nil, err
	}
	k.known, err = ParseKeys(k.public)
	return k, err
}

// Origin returns the name of the log.
func (k *Key) Origin() string { return k.signer.Name() }

// Public returns the public key, for [ParseKeys] and for people to keep.
func (k *Key) Public() string { return k.public }

// Known returns the public keys of this log: this one and those that were in use before it.
func (k *Key) Known() Keys { return k.known }

// Fresh tells whether OpenKey made the key, because there was none. Somebody should be told to keep the public one.
func (k *Key) Fresh() bool { return k.fresh }

// sign returns a signed checkpoint. Its Origin is set to that of the key.
func (k *Key) sign(c Checkpoint) (string, error) {
	c.Origin = k.Origin()
	signed, err := note.Sign(&note.Note{Text: c.text()}, k.signer)
	return string(signed), err
}

// Digest returns the keyed digest of a value, in hexadecimal: HMAC-SHA256 with a secret that is derived from the private key. The purpose, such as
// "request" or "env LANG", is part of it, so that equal values for different purposes do not show. It must not hold a NUL.
//
// The same value for the same purpose has the same digest in all leaves of a log: who reads an export sees that a value was used again, and who has
// the key can confirm a value, and nobody else can guess one.
func (k *Key) Digest(purpose string, value []byte) string {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte(purpose))
	mac.Write([]byte{0})
	mac.Write(value)
	return hex.EncodeToString(mac.Sum(nil))
}

// Env returns the digests of environment variables, for [Leaf.Env]; nil of none.
func (k *Key) Env(variables map[string]string) map[string]string {
	if len(variables) == 0 {
		return nil
	}
	digests := make(map[string]string, len(variables))
	for name, value := range variables {
		digests[name] = k.Digest("env "+name, []byte(value))
	}
	return digests
}
