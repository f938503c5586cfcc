package journal

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// leavesAtOnce is how many leaves one statement stores where there are so many: preparing for each its own run of the machine costs more than storing it.
const leavesAtOnce = 16

// leaf is one record of the audit on its way into the journal. It is hashed on its caller's goroutine, not on the one that everybody waits for.
type leaf struct {
	data []byte
	hash tlog.Hash
}

// newLeaves hashes what is to be appended to the audit. None is allowed where there may be some, and an empty one never.
func newLeaves(data ...[]byte) ([]leaf, error) {
	if len(data) == 0 {
		return nil, nil
	}
	leaves := make([]leaf, len(data))
	for i, d := range data {
		if len(d) == 0 {
			return nil, fmt.Errorf("%w: a leaf of the audit is empty", ErrInvalid)
		}
		leaves[i] = leaf{d, tlog.RecordHash(d)}
	}
	return leaves, nil
}

// optionalLeaf is newLeaves of one that may be nil.
func optionalLeaf(data []byte) ([]leaf, error) {
	if data == nil {
		return nil, nil
	}
	return newLeaves(data)
}

// Record commits leaves of the audit that belong to nothing else in the journal, such as a reload. The low-water mark does not hold it back.
func (j *Journal) Record(ctx context.Context, leaves ...[]byte) error {
	if len(leaves) == 0 {
		return nil
	}
	hashed, err := newLeaves(leaves...)
	if err != nil {
		return wrap("record", err)
	}
	return j.writer.do(ctx, op{name: "record", leaves: hashed, run: func(*statements) error { return nil }})
}

// Checkpoint is a signed statement of what the first Size leaves of the audit are.
type Checkpoint struct {
	Size int64 // at least 1
	At   time.Time
	Note string // opaque to the journal
}

// AddCheckpoint commits a checkpoint, and with it a leaf that says so, which is not one of those that the checkpoint is of. It answers ErrExists if
// there is one of this size, and ErrState if the audit has fewer leaves. A nil leaf is left out.
func (j *Journal) AddCheckpoint(ctx context.Context, c Checkpoint, leaf []byte) error {
	if c.Size < 1 || c.At.IsZero() || c.Note == "" {
		return wrap("checkpoint", fmt.Errorf("%w: a checkpoint has a size, a time and a note", ErrInvalid))
	}
	hashed, err := optionalLeaf(leaf)
	if err != nil {
		return wrap("checkpoint", err)
	}
	return j.writer.do(ctx, op{name: "checkpoint", size: len(c.Note), leaves: hashed, run: func(st *statements) error {
		if c.Size > st.counts.tree.size {
			return fmt.Errorf("%w: the audit has %d leaves, and the checkpoint is of %d", ErrState, st.counts.tree.size, c.Size)
		}
		err := st.exec(st.insertCheckpoint, c.Size, c.At.UnixMicro(), c.Note)
		if isDuplicate(err) {
			return fmt.Errorf("%w: a checkpoint of %d leaves", ErrExists, c.Size)
		}
		return err
	}})
}

// appendLeaves adds leaves to the audit and to its tree.
func (st *statements) appendLeaves(leaves []leaf) error {
	for len(leaves) > 0 {
		n, insertLeaf, insertHashes := 1, st.insertLeaf, st.insertHashes
		if len(leaves) >= leavesAtOnce {
			n, insertLeaf, insertHashes = leavesAtOnce, st.insertLeaves, st.insertManyHashes
		}
		data, hashes := make([]any, 0, 2*n), make([]any, 0, 2*n)
		for _, l := range leaves[:n] {
			seq := st.counts.tree.size
			data, hashes = append(data, seq, l.data), append(hashes, seq, st.counts.tree.add(l.hash, nil))
		}
		if err := st.exec(insertLeaf, data...); err != nil {
			return err
		}
		if err := st.exec(insertHashes, hashes...); err != nil {
			return err
		}
		leaves = leaves[n:]
	}
	return nil
}
