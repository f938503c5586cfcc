package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// noncesAtOnce is how many nonces one statement stores where there are so many; see leavesAtOnce.
const noncesAtOnce = 16

// usedNonces are the values of all nonces in the journal: what makes one unique. The writer is the only one who adds any, so there is no need to ask the
// file. What the transaction under way adds and removes is taken back, or for good, when it ends. It belongs to the writer goroutine.
type usedNonces struct {
	known map[[16]byte]struct{}
	fresh []Nonce    // used by the transaction under way, and stored by it
	gone  [][16]byte // forgotten by it
}

// loadNonces reads the values of all nonces.
func loadNonces(ctx context.Context, conn *sql.Conn) (u usedNonces, err error) {
	u.known = make(map[[16]byte]struct{})
	rows, err := conn.QueryContext(ctx, "SELECT nonce FROM nonce")
	if err != nil {
		return usedNonces{}, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var value sql.RawBytes
		if err := rows.Scan(&value); err != nil {
			return usedNonces{}, err
		}
		if len(value) != len([16]byte{}) {
			return usedNonces{}, fmt.Errorf("%w: a nonce has %d bytes", ErrCorrupt, len(value))
		}
		u.known[[16]byte(value)] = struct{}{}
	}
	return u, rows.Err()
}

// has tells whether a value was used.
func (u *usedNonces) has(value [16]byte) bool {
	_, ok := u.known[value]
	return ok
}

// use uses a nonce up.
func (u *usedNonces) use(n *Nonce) {
	u.known[n.Value] = struct{}{}
	u.fresh = append(u.fresh, *n)
}

// forget is for a value that is not in the file any more once the transaction is committed.
func (u *usedNonces) forget(value [16]byte) { u.gone = append(u.gone, value) }

// moment is how far a transaction has come.
type moment struct{ fresh, gone int }

func (u *usedNonces) now() moment { return moment{len(u.fresh), len(u.gone)} }

// back takes back what came after a moment of the transaction, the zero moment being its beginning.
func (u *usedNonces) back(to moment) {
	for _, n := range u.fresh[to.fresh:] {
		delete(u.known, n.Value)
	}
	u.fresh, u.gone = u.fresh[:to.fresh], u.gone[:to.gone]
}

// committed makes what the transaction did last.
func (u *usedNonces) committed() {
	for _, value := range u.gone {
		delete(u.known, value)
	}
	clear(u.fresh) // they hold texts of requests
	u.fresh, u.gone = u.fresh[:0], u.gone[:0]
}

// storeNonces stores what the transaction has used.
func (st *statements) storeNonces() error {
	for left := st.nonces.fresh; len(left) > 0; {
		n, insert := 1, st.insertNonce
		if len(left) >= noncesAtOnce {
			n, insert = noncesAtOnce, st.insertNonces
		}
		args := make([]any, 0, 4*n)
		for i := range left[:n] {
			args = append(args, left[i].Value[:], left[i].Client, left[i].SignedAt.UnixMicro(), left[i].Expires.UnixMicro())
		}
		if err := st.exec(insert, args...); err != nil {
			return err
		}
		left = left[n:]
	}
	return nil
}
