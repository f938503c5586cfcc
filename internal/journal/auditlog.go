package journal

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"math"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// AuditLog is the audit as it was at one moment, for whoever reads all of it. What is appended later is not in it, and nothing waits for its readers.
// Each sequence can be read more than once; an error ends it.
type AuditLog struct {
	r    *Reader
	ctx  context.Context
	past int64 // the first number that is not in it
	last int64 // the size of the last checkpoint in it
}

// AuditLog returns the audit as it is now. ctx bounds the reading too.
func (r *Reader) AuditLog(ctx context.Context) (*AuditLog, error) {
	l := &AuditLog{r: r, ctx: ctx}
	// The last number of either table counts: somebody may have taken rows away from one of them. One statement sees one moment, and a checkpoint is committed
	// with its leaf.
	err := r.db.QueryRowContext(ctx, `SELECT max(coalesce((SELECT max(seq) FROM audit), -1), coalesce((SELECT max(seq) FROM audit_hash), -1)) + 1,
		coalesce((SELECT max(size) FROM checkpoint), 0)`).Scan(&l.past, &l.last)
	if err != nil {
		return nil, wrap("audit", err)
	}
	return l, nil
}

// Leaves are the leaves in the order of their numbers, of which some are missing where somebody took them away. Data is valid until the next one.
func (l *AuditLog) Leaves() iter.Seq2[Leaf, error] {
	return func(yield func(Leaf, error) bool) {
		l.each("leaf FROM audit", func(seq int64, data []byte, err error) bool { return yield(Leaf{seq, data}, err) })
	}
}

// StoredHash is a hash of the audit's tree, numbered as tlog.StoredHashIndex does.
type StoredHash struct {
	Index int64
	Hash  []byte // of 32 bytes, unless somebody changed that
}

// Hashes are the hashes of the tree in the order of their numbers, of which some are missing where somebody took them away. Hash is valid until the next one.
func (l *AuditLog) Hashes() iter.Seq2[StoredHash, error] {
	return func(yield func(StoredHash, error) bool) {
		l.each("hashes FROM audit_hash", func(seq int64, stored []byte, err error) bool {
			if err != nil {
				return yield(StoredHash{}, err)
			}
			first, n := int64(math.MinInt64), 1 // what has no number in the tree comes first
			if seq >= 0 {
				first, n = tlog.StoredHashIndex(0, seq), 1+bits.TrailingZeros64(uint64(seq+1))
			}
			for i := range n {
				size := min(tlog.HashSize, len(stored))
				if i == n-1 {
					size = len(stored) // with all that should not be there
				}
				if size > 0 && !yield(StoredHash{first + int64(i), stored[:size]}, nil) {
					return false
				}
				stored = stored[size:]
			}
			return true
		})
	}
}

// Checkpoints are the checkpoints, in the order of their sizes, also those of more leaves than there are: they show that the log was cut off.
func (l *AuditLog) Checkpoints() iter.Seq2[Checkpoint, error] {
	return func(yield func(Checkpoint, error) bool) {
		next := int64(math.MinInt64)
		for {
			page, err := l.r.Checkpoints(l.ctx, next, maxLeaves)
			if err != nil {
				yield(Checkpoint{}, err)
				return
			}
			for _, c := range page {
				if c.Size > l.last || !yield(c, nil) {
					return
				}
				next = c.Size + 1
			}
			if len(page) < maxLeaves {
				return
			}
		}
	}
}

// each calls yield for the rows of a table, in their order, until it answers false. It reads them in pages, so that a gateway's
// WAL does not grow as long as somebody looks at what it wrote.
func (l *AuditLog) each(column string, yield func(int64, []byte, error) bool) {
	next := int64(math.MinInt64)
	for more, wanted := true, true; more; {
		rows, err := l.r.db.QueryContext(l.ctx, "SELECT seq, "+column+" WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?", next, l.past, maxLeaves)
		if err == nil {
			more, err = eachRow(rows, func(seq int64, data []byte) bool {
				next = seq + 1
				wanted = yield(seq, data, nil)
				return wanted
			})
		}
		if err != nil && wanted {
			yield(0, nil, wrap("audit", err))
		}
		if err != nil {
			return
		}
	}
}

// eachRow calls yield for each row of a page and closes the page. It tells whether there may be more.
func eachRow(rows *sql.Rows, yield func(int64, []byte) bool) (more bool, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	n := 0
	for rows.Next() {
		var (
			seq  int64
			data sql.RawBytes
		)
		if err := rows.Scan(&seq, &data); err != nil {
			return false, err
		}
		if n++; !yield(seq, data) {
			return false, nil
		}
	}
	return n == maxLeaves, rows.Err()
}
