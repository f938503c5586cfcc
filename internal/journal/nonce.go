package journal

import (
	"context"
	"database/sql"
	"fmt"
	"math"
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
func (n *Nonce) store(st *statements) error {
	switch {
	case st.nonces.has(n.Value):
		return ErrNonceUsed
	case n.SignedAt.UnixMicro() <= st.counts.floor:
		return ErrNonceForgotten
	}
	st.nonces.use(n)
	return nil
}

// Nonces returns what a starting gateway must not accept again: all nonces that were not pruned, and the floor, at or before which no request may be
// signed. The floor is the zero time as long as nothing was pruned. Both are of the same moment.
func (r *Reader) Nonces(ctx context.Context) (floor time.Time, nonces []Nonce, err error) {
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return time.Time{}, nil, wrap("nonces", err)
	}
	defer tx.Rollback()
	var micros int64
	if err := tx.QueryRowContext(ctx, "SELECT floor FROM meta").Scan(&micros); err != nil {
		return time.Time{}, nil, wrap("nonces", err)
	}
	if micros != 0 {
		floor = time.UnixMicro(micros).UTC()
	}
	rows, err := tx.QueryContext(ctx, "SELECT seq, nonce, client, signed_at, expires FROM nonce ORDER BY seq")
	if err != nil {
		return time.Time{}, nil, wrap("nonces", err)
	}
	stored, err := collect(rows, scanNonce)
	nonces = make([]Nonce, len(stored))
	for i, n := range stored {
		nonces[i] = n.Nonce
	}
	return floor, nonces, wrap("nonces", err)
}

// storedNonce is a row of a nonce.
type storedNonce struct {
	Nonce
	seq int64 // order of arrival
}

func scanNonce(row scanner) (storedNonce, error) {
	var (
		n               storedNonce
		value           []byte
		signed, expires nullTime
	)
	if err := row.Scan(&n.seq, &value, &n.Client, &signed, &expires); err != nil {
		return storedNonce{}, err
	}
	if len(value) != len(n.Value) {
		return storedNonce{}, fmt.Errorf("%w: a nonce has %d bytes", ErrCorrupt, len(value))
	}
	n.Value, n.SignedAt, n.Expires = [16]byte(value), signed.Time, expires.Time
	return n, nil
}

// PruneNonces forgets the nonces that expired before now and returns how many they were. In the same commit it raises the floor to the newest of their
// times of signing, so that no later change of the clock or of the window lets one of them be used again. It looks at all nonces, beside the writer.
func (j *Journal) PruneNonces(ctx context.Context, now time.Time) (total int, err error) {
	last := int64(math.MinInt64)
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
			last = expired[len(expired)-1].seq
		}
		if len(expired) < pruneNonces {
			return total, nil
		}
	}
}

// expired returns some nonces that expired before now, in the order of their arrival, behind one.
func (j *Journal) expired(ctx context.Context, now time.Time, behind int64) ([]storedNonce, error) {
	rows, err := j.db.QueryContext(ctx, "SELECT seq, nonce, client, signed_at, expires FROM nonce WHERE seq > ? AND expires < ? ORDER BY seq LIMIT ?",
		behind, now.UnixMicro(), pruneNonces)
	if err != nil {
		return nil, err
	}
	return collect(rows, scanNonce)
}

// forget removes nonces, and makes sure that nothing can be signed again that was signed with them.
func (st *statements) forget(nonces []storedNonce) error {
	newest := nonces[0].SignedAt
	for _, n := range nonces {
		if n.SignedAt.After(newest) {
			newest = n.SignedAt
		}
		// Its number may be another's by now: the last one's is given again.
		if err := st.exec(st.dropNonce, n.seq, n.Value[:]); err != nil {
			return err
		}
		st.nonces.forget(n.Value)
	}
	st.counts.floor = max(st.counts.floor, newest.UnixMicro())
	return st.exec(st.raiseFloor, st.counts.floor)
}
