package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is the right edge of the audit's Merkle tree: its size, and of each subtree that the next leaves will complete a larger one with, the hash.
// That is all that is needed to add a leaf, and it is copied when a transaction begins, because a rollback takes the leaves back.
type tree struct {
	size int64
	edge [63]tlog.Hash // edge[l] is the hash of a subtree of 1<<l leaves, and counts only where size has that bit
}

// add appends a leaf with this hash to the tree, and its hashes as they are stored to the given ones: its own, and those of the subtrees it completes.
func (t *tree) add(leaf tlog.Hash, stored []byte) []byte {
	level := bits.TrailingZeros64(^uint64(t.size))
	stored = append(stored, leaf[:]...)
	for _, left := range t.edge[:level] {
		leaf = tlog.NodeHash(left, leaf)
		stored = append(stored, leaf[:]...)
	}
	t.edge[level] = leaf
	t.size++
	return stored
}

// loadTree reads the edge of the stored tree. Leaves and hashes that do not belong together answer ErrCorrupt: what would be added to them could not
// be verified.
func loadTree(ctx context.Context, conn *sql.Conn) (t tree, err error) {
	var leaves, hashes int64
	err = conn.QueryRowContext(ctx, "SELECT (SELECT coalesce(max(seq), -1) FROM audit), (SELECT coalesce(max(seq), -1) FROM audit_hash)").Scan(&leaves, &hashes)
	if err != nil {
		return tree{}, err
	}
	if leaves != hashes || leaves < -1 {
		return tree{}, fmt.Errorf("%w: the last leaf of the audit is %d, and the last one with hashes %d; `sidegate audit verify` says more",
			ErrCorrupt, leaves, hashes)
	}
	t.size = leaves + 1
	for level := range t.edge {
		if t.size>>level&1 == 0 {
			continue
		}
		last := t.size>>level<<level - 1 // of the subtree's leaves
		var stored []byte
		err := conn.QueryRowContext(ctx, "SELECT hashes FROM audit_hash WHERE seq = ?", last).Scan(&stored)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return tree{}, err
		}
		if t.edge[level], err = storedHash(last, level, stored); err != nil {
			return tree{}, fmt.Errorf("%w; `sidegate audit verify` says more", err)
		}
	}
	return t, nil
}

// storedHash takes one hash out of those that are stored with a leaf; none are stored where the row is missing.
func storedHash(seq int64, level int, stored []byte) (h tlog.Hash, err error) {
	if len(stored) == 0 {
		return h, fmt.Errorf("%w: the hashes of leaf %d of the audit are missing", ErrCorrupt, seq)
	}
	if want := 1 + bits.TrailingZeros64(uint64(seq+1)); len(stored) != want*tlog.HashSize {
		return h, fmt.Errorf("%w: leaf %d of the audit has %d bytes of hashes instead of %d", ErrCorrupt, seq, len(stored), want*tlog.HashSize)
	}
	return tlog.Hash(stored[level*tlog.HashSize:]), nil
}
