package auth

import "time"

// A lifetime is what is remembered about a nonce.
type lifetime struct {
	signedAt, expires time.Time
}

// Reserve takes the nonce for the caller. Of simultaneous calls with the same
// nonce, one succeeds. It returns ErrReplayed when the nonce is reserved or
// used, and ErrStale when the floor was raised past it since Verify.
//
// A reservation lives in memory only. The caller commits the nonce to the
// journal before it acts on the request, and calls Release if that fails.
func (v *Verifier) Reserve(n Nonce) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.used[n.Value]; ok {
		return ErrReplayed
	}
	// Forget may have dropped a copy of this nonce after Verify looked.
	if !n.SignedAt.After(v.floor) {
		return ErrStale
	}
	v.used[n.Value] = lifetime{signedAt: n.SignedAt, expires: n.Expires}
	return nil
}

// Release gives a nonce back, so that the same request may be sent again. Only
// the caller whose Reserve succeeded may call it, once, and only if the nonce
// was not committed and nothing was done: whoever loses the race in Reserve
// must not release what the winner holds.
func (v *Verifier) Release(n Nonce) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.used, n.Value)
}

// Forget drops the nonces whose window ended before now and raises the floor to
// the newest timestamp among them. Call it now and then, such as every minute:
// it takes time in proportion to the nonces kept, and Reserve waits for it.
func (v *Verifier) Forget(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for value, l := range v.used {
		if !now.After(l.expires) {
			continue
		}
		if l.signedAt.After(v.floor) {
			v.floor = l.signedAt
		}
		delete(v.used, value)
	}
}

// belowFloor reports whether nothing signed at n.SignedAt is accepted any more.
func (v *Verifier) belowFloor(n Nonce) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !n.SignedAt.After(v.floor)
}
