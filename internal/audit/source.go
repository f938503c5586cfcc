package audit

import (
	"iter"
	"time"
)

// A Source is a log as it is stored. Each sequence can be read more than once, and all of them show the same state of the log, although it may grow
// meanwhile. An error in a sequence ends it.
type Source struct {
	Leaves iter.Seq2[Row, error] // in the order of Seq
	// Hashes are those of the tree, in the order of Index; nil where none are stored. With them, what was changed can be named to the leaf; without,
	// only the checkpoints between which it is.
	Hashes iter.Seq2[HashRow, error]
	// Checkpoints are in the order of Size; nil where they are only in leaves.
	Checkpoints iter.Seq2[Signed, error]
	// Records is what is stored of jobs beside the log; nil where nothing is, or is not to be compared.
	Records *Records
}

// A Row is a leaf as it is stored, and may have been changed.
type Row struct {
	Seq  int64  // 0 is the first
	Leaf []byte // valid until the next row
}

// A HashRow is a hash of the tree as it is stored.
type HashRow struct {
	Index int64  // as tlog.StoredHashIndex counts
	Hash  []byte // valid until the next row
}

// A Signed is a checkpoint as it is stored: the note, and what the store knows of it.
type Signed struct {
	Size int64
	At   time.Time // zero where the store does not keep it
	Note string
}
