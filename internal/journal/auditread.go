package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// maxLeaves is how many leaves or checkpoints are read at once.
	maxLeaves = 1000
	// sparse is how many hashes are looked up one by one where they do not lie together.
	sparse = 256
)

// Leaf is a record of the audit, numbered from 0.
type Leaf struct {
	Seq  int64
	Data []byte
}

// AuditSize returns how many leaves the audit has: one more than the number of its last.
func (r *Reader) AuditSize(ctx context.Context) (n int64, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT coalesce(max(seq) + 1, 0) FROM audit").Scan(&n)
	return n, wrap("audit", err)
}

// AuditLeaves returns up to limit leaves, at most 1,000, in their order, beginning with number from. Where somebody took a leaf away, the numbers have a
// gap; what the leaves say is not verified.
func (r *Reader) AuditLeaves(ctx context.Context, from int64, limit int) ([]Leaf, error) {
	rows, err := r.db.QueryContext(ctx, "SELECT seq, leaf FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?", from, leafPage(limit))
	if err != nil {
		return nil, wrap("audit", err)
	}
	leaves, err := collect(rows, func(row scanner) (l Leaf, err error) {
		err = row.Scan(&l.Seq, &l.Data)
		return l, err
	})
	return leaves, wrap("audit", err)
}

// leafPage applies the default and the bound of a page of the audit.
func leafPage(limit int) int {
	if limit <= 0 {
		return maxLeaves
	}
	return min(limit, maxLeaves)
}

// Checkpoints returns up to limit checkpoints, at most 1,000, of at least the given size, the smallest first.
func (r *Reader) Checkpoints(ctx context.Context, size int64, limit int) ([]Checkpoint, error) {
	return r.checkpoints(ctx, "WHERE size >= ? ORDER BY size LIMIT ?", size, leafPage(limit))
}

// LastCheckpoint returns the checkpoint of most leaves, or ErrNotFound.
func (r *Reader) LastCheckpoint(ctx context.Context) (Checkpoint, error) {
	last, err := r.checkpoints(ctx, "ORDER BY size DESC LIMIT 1")
	if err == nil && len(last) == 0 {
		err = wrap("checkpoints", fmt.Errorf("%w: a checkpoint", ErrNotFound))
	}
	if err != nil {
		return Checkpoint{}, err
	}
	return last[0], nil
}

func (r *Reader) checkpoints(ctx context.Context, which string, args ...any) ([]Checkpoint, error) {
	rows, err := r.db.QueryContext(ctx, "SELECT size, at, note FROM checkpoint "+which, args...)
	if err != nil {
		return nil, wrap("checkpoints", err)
	}
	all, err := collect(rows, func(row scanner) (c Checkpoint, err error) {
		var at nullTime
		err = row.Scan(&c.Size, &at, &c.Note)
		c.At = at.Time
		return c, err
	})
	return all, wrap("checkpoints", err)
}

var _ tlog.HashReader = (*Reader)(nil)

// ReadHashes implements tlog.HashReader over the stored tree. A hash that is not there, or not as long as it should be, answers ErrCorrupt and says of
// which leaf; whether the others are right is for whoever verifies.
func (r *Reader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for start := 0; start < len(indexes); start += sparse {
		end := min(start+sparse, len(indexes))
		if err := r.readHashes(indexes[start:end], hashes[start:end]); err != nil {
			return nil, wrap("audit", err)
		}
	}
	return hashes, nil
}

// readHashes reads the rows that a few hashes are in: all between the first and the last where these are not many more, and otherwise each.
func (r *Reader) readHashes(indexes []int64, hashes []tlog.Hash) error {
	wanted := make(map[int64][]byte, len(indexes)) // by leaf
	first, last := int64(-1), int64(-1)
	for _, index := range indexes {
		if index < 0 {
			return fmt.Errorf("%w: a hash has number %d", ErrInvalid, index)
		}
		seq, _ := leafOf(index)
		wanted[seq] = nil
		if first < 0 || seq < first {
			first = seq
		}
		last = max(last, seq)
	}
	query, args := "BETWEEN ? AND ?", []any{first, last}
	if last-first >= 2*int64(len(wanted)) {
		query, args = "IN (?"+strings.Repeat(", ?", len(wanted)-1)+")", make([]any, 0, len(wanted))
		for seq := range wanted {
			args = append(args, seq)
		}
	}
	rows, err := r.db.Query("SELECT seq, hashes FROM audit_hash WHERE seq "+query, args...)
	if err != nil {
		return err
	}
	if err := eachHashes(rows, wanted); err != nil {
		return err
	}
	for i, index := range indexes {
		seq, level := leafOf(index)
		if hashes[i], err = storedHash(seq, level, wanted[seq]); err != nil {
			return err
		}
	}
	return nil
}

// eachHashes reads the wanted ones of some rows and closes them.
func eachHashes(rows *sql.Rows, wanted map[int64][]byte) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var (
			seq    int64
			stored []byte
		)
		if err := rows.Scan(&seq, &stored); err != nil {
			return err
		}
		if _, ok := wanted[seq]; ok {
			wanted[seq] = stored
		}
	}
	return rows.Err()
}

// leafOf returns the leaf with which a hash of the tree is stored, and the hash's level.
func leafOf(index int64) (seq int64, level int) {
	level, n := tlog.SplitStoredHashIndex(index)
	return (n+1)<<level - 1, level
}
