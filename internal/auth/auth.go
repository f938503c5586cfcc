package auth

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How a Principal was known.
const (
	SchemeFunc     = "func"     // by the Func signature
	SchemeHTTPSig  = "httpsig"  // by an HTTP message signature
	SchemePeercred = "peercred" // by the kernel, which says whose process connected to a Unix socket
)

// RoleOperator is the role of who looks after a gateway: it sees, follows and
// cancels the jobs of every client, where others see their own. Policies know
// it as they know every other role.
const RoleOperator = "operator"

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

// A Client is somebody who may send requests: signed ones, or unsigned ones on
// a Unix socket. It has Secrets, PublicKeys or UIDs, one of the three.
type Client struct {
	Name string // unique, not empty
	// Scheme says what the secrets are for; empty stands for SchemeFunc, and for
	// SchemePeercred where there are UIDs.
	Scheme     string
	Secrets    [][]byte            // one, or two during rotation; the raw key bytes. For SchemeHTTPSig 32 bytes at least
	PublicKeys []ed25519.PublicKey // of SchemeHTTPSig: one, or two during rotation
	UIDs       []uint32            // the users whose processes are this client; no two clients share one
	// Certificates bind a client that signs: its signatures hold only over a
	// connection that presented one of them. Each is dns:NAME, uri:URI, or sha256:HEX
	// of the public key. None binds to nothing.
	Certificates []string
	Roles        []string          // copied to the Principal
	Labels       map[string]string // copied to the Principal
}

// A Principal is who sent a request. It belongs to the caller, who may
// change it without effect on the Verifier.
type Principal struct {
	Client string // the name of the Client
	Scheme string // SchemeFunc, SchemeHTTPSig or SchemePeercred
	// KeyID is what the client was known by: the position of the secret or key that
	// signed, "1" or "2", or the user who connected, as in "uid:1000".
	KeyID  string
	Roles  []string
	Labels map[string]string
}

// HasRole reports whether the client has a role, such as [RoleOperator].
func (p Principal) HasRole(role string) bool { return slices.Contains(p.Roles, role) }

// clone returns a copy that shares nothing with p.
func (p Principal) clone() Principal {
	p.Roles, p.Labels = slices.Clone(p.Roles), maps.Clone(p.Labels)
	return p
}

// A Nonce is the unique number of one signed request. Two nonces are the same
// when their Values are, whoever signed and whenever.
type Nonce struct {
	Value    [16]byte
	Client   string
	SignedAt time.Time // the signed timestamp, in whole seconds, UTC
	Expires  time.Time // SignedAt plus the skew: the last moment in the window
}

// Config says who may send requests, and what was already used before this start.
type Config struct {
	Clients []Client      // at least one
	Skew    time.Duration // how far a timestamp may lie from the clock, either way; inclusive
	Floor   time.Time     // as the journal persisted it; zero when there is none
	Used    []Nonce       // every nonce that the journal still holds, expired or not

	// Authorities are what the gateway may be called by in a message signature, host or
	// host:port. None stands for where the connection came to: its address, the name
	// localhost on loopback, the Names with the port that was called, and on a Unix
	// socket SocketAuthority, localhost and the Names.
	Authorities []string
	Names       []string // of the host; for Authorities that are none
}

// A Verifier knows clients by their signatures and by the users of their
// processes, and remembers nonces. It is safe for concurrent
// use. The skew never changes; clients do with Replace.
type Verifier struct {
	skew        time.Duration
	authorities authorities
	clients     atomic.Pointer[clients]

	mu    sync.Mutex // guards what follows: set and floor change together
	used  map[[16]byte]lifetime
	floor time.Time
}

// New checks cfg and returns a Verifier. It refuses a configuration without
// clients, what is wrong with one of them, and a skew that is not positive. A
// client is wrong without name, or with the name of another; with neither
// secrets, public keys nor uids, or with two of them; with more than two secrets or keys; with a secret that
// is empty, or too short for its scheme, and with a public key that anybody can sign for; with a secret, a key or a uid that is there already, be it in the same
// client or in another; and with a uid that nobody has. No error names a secret.
// New keeps no reference to cfg.
func New(cfg Config) (*Verifier, error) {
	if len(cfg.Clients) == 0 {
		return nil, errors.New("auth: no clients are configured")
	}
	if cfg.Skew <= 0 {
		return nil, fmt.Errorf("auth: skew must be positive, it is %v", cfg.Skew)
	}
	known, err := newClients(cfg.Clients)
	if err != nil {
		return nil, err
	}
	names, err := newAuthorities(cfg.Authorities, cfg.Names)
	if err != nil {
		return nil, err
	}
	v := &Verifier{
		authorities: names,

		skew:  cfg.Skew,
		used:  make(map[[16]byte]lifetime, len(cfg.Used)),
		floor: cfg.Floor,
	}
	v.clients.Store(&known)
	for _, n := range cfg.Used {
		v.used[n.Value] = lifetime{signedAt: n.SignedAt, expires: n.Expires}
	}
	return v, nil
}

// Principal returns the client of that name as it is configured now, without a
// KeyID. It is for work that a client asked for earlier: its roles may have
// changed since, and it may be gone.
func (v *Verifier) Principal(client string) (Principal, bool) {
	p, ok := v.clients.Load().byName[client]
	return p.clone(), ok
}
