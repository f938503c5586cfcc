package auth

import "errors"

// A Set is a checked set of clients that a [Verifier] can be given. It is immutable.
type Set struct{ clients clients }

// NewSet checks clients as [New] does, and keeps no reference to them.
func NewSet(configured []Client) (*Set, error) {
	if len(configured) == 0 {
		return nil, errors.New("auth: no clients are configured")
	}
	known, err := newClients(configured)
	if err != nil {
		return nil, err
	}
	return &Set{known}, nil
}

// Replace has the Verifier know the clients of s, and no others, from now on: what
// is verified after it returns is verified by them. It cannot fail, so that it can
// be done together with something else or not at all. Nonces stay used, whoever
// sent them: a nonce is spent for everybody.
func (v *Verifier) Replace(s *Set) { v.clients.Store(&s.clients) }
