package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const pruneNonces = 1024 // nonces dropped per commit, so that pruning does not hold up admissions

// Nonce is one use of a signature. It is unique over all clients.
type Nonce struct {
	Value    [16]byte
	Client   string    // who signed
	SignedAt time.Time // the signed timestamp
	Expires  time.Time // when the clock window closes and the nonce may be forgotten
}

func (n Nonce) check() error {
	if n.Client == "" || n.SignedAt.IsZero() || n.Expires.Before(n.SignedAt) {
		return fmt.Errorf("%w: a nonce needs a client, a time of signing and an expiry after it", ErrInvalid)
	}
	return nil
}

// store uses the nonce up, or answers ErrNonceUsed or ErrNonceForgotten.
func (n Nonce) store(st *statements) error {
	signed := n.SignedAt.UnixMicro()
	r, err := st.useNonce.Exec(n.Value[:], n.Client, signed, n.Expires.UnixMicro(), signed)
	if err != nil {
		return err
	}
	if stored, err := r.RowsAffected(); err != nil || stored == 1 {
		st.touched = true
		return err
	}
	var known bool
	if err := st.knowsNonce.QueryRow(n.Value[:]).Scan(&known); err != nil {
		return err
	}
	if known {
		return ErrNonceUsed
	}
	return ErrNonceForgotten
}

// Nonces returns what a starting gateway must not accept again: all nonces that were not pruned, and the floor, at or before which no request may be
// signed. The floor is the zero time as long as nothing was pruned. Both are of the same moment.
func (r *Reader) Nonces(ctx context.Context) (floor time.Time, nonces []Nonce, err error) {
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return time.Time{}, nil, wrap("nonces", err)
	}
	defer tx.Rollback()
	var stored int64
	if err := tx.QueryRowContext(ctx, "SELECT floor FROM meta").Scan(&stored); err != nil {
		return time.Time{}, nil, wrap("nonces", err)
	}
	if stored != 0 {
		floor = time.UnixMicro(stored).UTC()
	}
	rows, err := tx.QueryContext(ctx, "SELECT value, client, signed_at, expires FROM nonce")
	if err != nil {
		return time.Time{}, nil, wrap("nonces", err)
	}
	nonces, err = collect(rows, scanNonce)
	return floor, nonces, wrap("nonces", err)
}

func scanNonce(row scanner) (Nonce, error) {
	var (
		n               Nonce
		value           []byte
		signed, expires nullTime
	)
	if err := row.Scan(&value, &n.Client, &signed, &expires); err != nil {
		return Nonce{}, err
	}
	if len(value) != len(n.Value) {
		return Nonce{}, fmt.Errorf("%w: a nonce has %d bytes", ErrCorrupt, len(value))
	}
	n.Value, n.SignedAt, n.Expires = [16]byte(value), signed.Time, expires.Time
	return n, nil
}

// PruneNonces forgets the nonces that expired before now and returns how many they were. In the same commit it raises the floor to the newest of their
// times of signing, so that no later change of the clock or of the window lets one of them be used again. It looks at all nonces, beside the writer.
func (j *Journal) PruneNonces(ctx context.Context, now time.Time) (total int, err error) {
	var last []byte
	for {
		expired, err := j.expired(ctx, now, last)
		if err != nil {
			return total, wrap("prune nonces", err)
		}
		if len(expired) > 0 {
			err := j.writer.do(ctx, op{name: "prune nonces", run: func(st *statements) error { return st.forget(expired) }})
			if err != nil {
				return total, err
			}
			total += len(expired)
			last = expired[len(expired)-1].Value[:]
		}
		if len(expired) < pruneNonces {
			return total, nil
		}
	}
}

// expired returns some nonces that expired before now, in the order of their values, behind one.
func (j *Journal) expired(ctx context.Context, now time.Time, behind []byte) ([]Nonce, error) {
	if behind == nil {
		behind = []byte{} // which is before all others, as NULL is not
	}
	rows, err := j.db.QueryContext(ctx, "SELECT value, client, signed_at, expires FROM nonce WHERE value > ? AND expires < ? ORDER BY value LIMIT ?",
		behind, now.UnixMicro(), pruneNonces)
	if err != nil {
		return nil, err
	}
	return collect(rows, scanNonce)
}

// forget removes nonces, and makes sure that nothing can be signed again that was signed with them.
func (st *statements) forget(nonces []Nonce) error {
	newest := nonces[0].SignedAt
	for _, n := range nonces {
		if n.SignedAt.After(newest) {
			newest = n.SignedAt
		}
		if err := st.exec(st.dropNonce, n.Value[:]); err != nil {
			return err
		}
	}
	return st.exec(st.raiseFloor, newest.UnixMicro())
}
