// Package auth decides who sent a request, and that it is not a copy of an
// earlier one. It speaks the scheme of the DataFlux Func Sidecar: an
// HMAC-SHA1 over method, path, nonce, timestamp and the raw body, keyed with
// a secret that gateway and client share. A [Verifier] checks a signature and
// its time window and remembers nonces; [SignFunc] and [NewNonce] are the
// client's side.
//
// It also speaks HTTP message signatures (RFC 9421): [Verifier.VerifyMessage] and
// [Signer]. These cover the query and the name of the gateway too, so that the
// gateway has to know its names ([Config].Authorities). A library makes the signature
// base and does the cryptography; everything that the RFC leaves to an application,
// or lets a signer choose, is decided here, and has one spelling.
//
// On a Unix socket a client may also be known by its user, of which the kernel
// says who it is: [ListenPeers], [ConnContext] and [PeerOf] bring the answer from
// the connection to the handler, and [Verifier.VerifyPeer] finds the client. Who
// relays connections to the socket, such as a proxy, speaks there as its own user.
//
// # Why a copy is never accepted
//
// A request is accepted at most once because three things hold together.
//
// The window: a request is refused unless its timestamp lies within ±skew of
// the clock, so a copy is interesting only for 2·skew at most.
//
// The nonces: every accepted nonce is kept, for all clients in one set, until
// the timestamp it came with has left the window.
//
// The floor: nonces are dropped by the clock, and the clock is not to be
// trusted. If it is set back after a nonce was dropped, or if a restart comes
// with a larger skew, then the window reaches again over timestamps whose
// nonces are gone, and old requests would be fresh. So whoever drops a nonce
// raises the floor to that nonce's timestamp in the same step, and nothing
// signed at or below the floor is accepted ever again. Whatever the clock and
// the skew do later, a nonce is therefore either still in the set or at or
// below the floor. The floor is the newest timestamp that was dropped, and not
// the clock minus the skew, so that a clock that was ahead for a moment does
// not shut the gateway once it is right again.
//
// The same rule holds for the journal, which drops nonces and persists its
// floor in one transaction; [Config] takes both back after a restart. Memory
// and journal may prune at different times and in either order: each keeps the
// rule by itself, and a request has to pass both. Within this package the set
// and the floor are behind one mutex, and [Verifier.Reserve] looks at the
// floor again under it, because [Verifier.Forget] may run between a request's
// Verify and its Reserve.
package auth
