package auth

import (
	"crypto/sha1" // The scheme says SHA-1; HMAC does not need collision resistance.
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// SchemeFunc is the name of the Func signature scheme in a Principal.
const SchemeFunc = "func"

// maxSecrets is how many live secrets a client may have: two, so that a secret
// can be rotated without a moment in which either side is locked out.
const maxSecrets = 2

// The errors of Verify and Reserve. They say no more than the status code that
// the caller sees anyway.
var (
	// ErrUnsigned says that at least one of the three headers is missing.
	ErrUnsigned = errors.New("auth: request is not signed")
	// ErrSignature says that a header is malformed or repeated, or that no
	// configured secret made this signature.
	ErrSignature = errors.New("auth: signature does not verify")
	// ErrStale says that the signature is right and the timestamp is outside
	// the window or not above the floor.
	ErrStale = errors.New("auth: timestamp is outside the accepted window")
	// ErrReplayed says that the nonce was seen before.
	ErrReplayed = errors.New("auth: nonce was used before")
)

// A Client is somebody who may sign requests.
type Client struct {
	Name    string            // unique, not empty
	Secrets [][]byte          // one, or two during rotation; the raw key bytes
	Roles   []string          // copied to the Principal
	Labels  map[string]string // copied to the Principal
}

// A Principal is who signed a request. It belongs to the caller, who may
// change it without effect on the Verifier.
type Principal struct {
	Client string // the name of the Client
	Scheme string // SchemeFunc
	KeyID  string // which of the client's secrets signed, by position: "1" or "2"
	Roles  []string
	Labels map[string]string
}

// A Nonce is the unique number of one signed request. Two nonces are the same
// when their Values are, whoever signed and whenever.
type Nonce struct {
	Value    [16]byte
	Client   string
	SignedAt time.Time // the signed timestamp, in whole seconds, UTC
	Expires  time.Time // SignedAt plus the skew: the last moment in the window
}

// Config says who may sign, and what was already used before this start.
type Config struct {
	Clients []Client
	Skew    time.Duration // how far a timestamp may lie from the clock, either way; inclusive
	Floor   time.Time     // as the journal persisted it; zero when there is none
	Used    []Nonce       // every nonce that the journal still holds, expired or not
}

// A Verifier checks signatures and remembers nonces. It is safe for concurrent
// use. Clients and skew never change; build a new one to change them, with
// floor and nonces from the journal.
type Verifier struct {
	skew time.Duration
	keys []key

	mu    sync.Mutex // guards what follows: set and floor change together
	used  map[[16]byte]lifetime
	floor time.Time
}

// A key is one secret and whose it is.
type key struct {
	secret []byte
	owner  Principal
}

// New checks cfg and returns a Verifier. It refuses a configuration without
// clients; a client without name, or with the name of another; a client
// without secret or with more than two; an empty secret; the same secret
// twice, be it for one client or for two; and a skew that is not positive.
// No error names a secret. New keeps no reference to cfg.
func New(cfg Config) (*Verifier, error) {
	if len(cfg.Clients) == 0 {
		return nil, errors.New("auth: no clients are configured")
	}
	if cfg.Skew <= 0 {
		return nil, fmt.Errorf("auth: skew must be positive, it is %v", cfg.Skew)
	}
	keys, err := newKeys(cfg.Clients)
	if err != nil {
		return nil, err
	}
	v := &Verifier{
		skew:  cfg.Skew,
		keys:  keys,
		used:  make(map[[16]byte]lifetime, len(cfg.Used)),
		floor: cfg.Floor,
	}
	for _, n := range cfg.Used {
		v.used[n.Value] = lifetime{signedAt: n.SignedAt, expires: n.Expires}
	}
	return v, nil
}

func newKeys(clients []Client) ([]key, error) {
	var keys []key
	names := make(map[string]bool, len(clients))
	owners := make(map[[sha1.BlockSize]byte]string)
	for i, c := range clients {
		if c.Name == "" {
			return nil, fmt.Errorf("auth: client %d has no name", i+1)
		}
		if names[c.Name] {
			return nil, fmt.Errorf("auth: two clients are named %q", c.Name)
		}
		names[c.Name] = true
		if n := len(c.Secrets); n < 1 || n > maxSecrets {
			return nil, fmt.Errorf("auth: client %q has %d secrets, it must have one, or two during rotation", c.Name, n)
		}
		for j, secret := range c.Secrets {
			block := hmacBlock(secret)
			if block == [sha1.BlockSize]byte{} {
				return nil, fmt.Errorf("auth: secret %d of client %q is empty", j+1, c.Name)
			}
			if other, ok := owners[block]; ok {
				return nil, fmt.Errorf("auth: clients %q and %q have the same secret, or one has it twice", other, c.Name)
			}
			owners[block] = c.Name
			keys = append(keys, key{
				secret: slices.Clone(secret),
				owner: Principal{
					Client: c.Name,
					Scheme: SchemeFunc,
					KeyID:  strconv.Itoa(j + 1),
					Roles:  slices.Clone(c.Roles),
					Labels: maps.Clone(c.Labels),
				},
			})
		}
	}
	return keys, nil
}

// hmacBlock returns the key as HMAC uses it (RFC 2104, section 2): hashed when
// longer than a block, then filled up with zeros. Two secrets with equal blocks
// make equal signatures although their bytes differ, so this is what has to be
// unique; and a secret of zeros only is as good as none.
func hmacBlock(secret []byte) (block [sha1.BlockSize]byte) {
	if len(secret) > len(block) {
		sum := sha1.Sum(secret)
		secret = sum[:]
	}
	copy(block[:], secret)
	return block
}
