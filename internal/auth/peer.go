package auth

import (
	"errors"
	"fmt"
	"math"
)

// A Peer is the process at the other end of a Unix socket as the kernel recorded
// it at the moment when it connected: its effective user and group, in the
// numbers of this process's user namespace. It stays the peer of the connection
// when it has handed the connection to another process, changed its user or ended.
type Peer struct {
	UID, GID uint32
	// PID is for logs and messages. It says who that was only as long as the
	// process lives, and is 0 for one that this pid namespace does not see.
	PID int

	process *peerProcess // nil where the kernel has not said
}

// Gone reports whether the process that connected has ended, so that PID may be the number of another by now. Whoever asks something about PID asks for
// this afterwards: if it is not so then, the answer was about the peer. It is false where nothing but the number is known.
func (p Peer) Gone() bool { return p.process.gone() }

// ErrNoPeer says that the kernel does not know who is at the other end: the
// connection did not come over a Unix socket.
var ErrNoPeer = errors.New("auth: the connection has no peer credentials")

// An UnknownPeerError says that the user who connected is no client's.
type UnknownPeerError struct{ Peer Peer }

// Nobody reports whether the user is the one whom the kernel names for all that it
// has no number for: it may be anybody, and cannot be a client's.
func (e *UnknownPeerError) Nobody() bool { return nobody(e.Peer.UID) }

// Error names the user and what there is to do. It may be shown to the caller,
// who knows his own user.
func (e *UnknownPeerError) Error() string {
	if e.Nobody() {
		return fmt.Sprintf("auth: uid %d, for which the kernel names no certain user here, is no client's and cannot be one: "+
			"call as a user who is known in the gateway's user namespace", e.Peer.UID)
	}
	return fmt.Sprintf("auth: uid %d (process %d) is no client's: add %d to the uids of a client with scheme peercred", e.Peer.UID, e.Peer.PID, e.Peer.UID)
}

// VerifyPeer returns the client whose process connected. It returns an
// *[UnknownPeerError] where no client has that user.
//
// There is no nonce: a connection cannot be repeated by who overhears it.
func (v *Verifier) VerifyPeer(p Peer) (Principal, error) {
	client, ok := v.clients.Load().byUser[p.UID]
	if !ok || nobody(p.UID) {
		return Principal{}, &UnknownPeerError{p}
	}
	return client.clone(), nil
}

// overflowUser is what the kernel calls every user who has no number in the
// user namespace of the process that asks (user_namespaces(7)).
const overflowUser = 65534

// nobody reports whether a uid may be anybody's, or is none: -1 is no user.
func nobody(uid uint32) bool { return uid == overflowUser || uid == math.MaxUint32 }
