package audit

import (
	"fmt"
	"time"
)

// Kind says what is wrong.
type Kind string

// The kinds of findings.
const (
	LeafChanged   Kind = "leaf_changed"   // leaves are not what was written
	LeafMissing   Kind = "leaf_missing"   // rows are gone
	LeafSwapped   Kind = "leaf_swapped"   // two leaves stand in each other's place
	LeafMoved     Kind = "leaf_moved"     // leaves stand before or behind where they were written
	LeafMisplaced Kind = "leaf_misplaced" // a row has a number at which there can be none
	LeafUnclear   Kind = "leaf_unclear"   // a leaf and its hash differ, and nothing tells which of them was changed

	HashChanged   Kind = "hash_changed"   // a stored hash was changed; the leaves are right
	HashMissing   Kind = "hash_missing"   // a stored hash is gone
	HashMisplaced Kind = "hash_misplaced" // a hash is stored where there is none in the tree

	Rewritten Kind = "rewritten" // leaves are not what a checkpoint signed, and what they were cannot be told
	CutOff    Kind = "cut_off"   // the log ends before what a checkpoint signed, or before where its hashes end

	Unsigned Kind = "unsigned" // an export without a checkpoint that holds

	CheckpointForged  Kind = "checkpoint_forged"  // the signature does not hold, or is by another key
	CheckpointChanged Kind = "checkpoint_changed" // a stored checkpoint is not the one that its leaf holds, or not what its row says
	CheckpointMissing Kind = "checkpoint_missing" // a leaf tells of a checkpoint that is not stored
	CheckpointAlone   Kind = "checkpoint_alone"   // a stored checkpoint has no leaf
	KeptForeign       Kind = "kept_foreign"       // no kept checkpoint is of this log

	RecordChanged Kind = "record_changed" // what is stored of a job is not what its leaves say
	RecordMissing Kind = "record_missing" // a job that was admitted is not stored, and was not forgotten
	RecordUnknown Kind = "record_unknown" // a job is stored that was not admitted, or that was forgotten
)

// A Finding is one thing that is wrong with a log, and where.
type Finding struct {
	Kind Kind `json:"kind"`
	// Leaves are those concerned.
	Leaves *Range `json:"leaves,omitempty"`
	// Hash is the index of the stored hash.
	Hash *int64 `json:"hash,omitempty"`
	// Checkpoint is the one that tells, or that is wrong.
	Checkpoint *Told `json:"checkpoint,omitempty"`
	// Job is the one of whose record it is.
	Job  string `json:"job,omitempty"`
	Text string `json:"text"` // for people
}

// A Range is of leaves, both ends included.
type Range struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// Told is a checkpoint, and where it stands.
type Told struct {
	Size  int64     `json:"size"`
	Time  time.Time `json:"time,omitzero"`
	Where string    `json:"where"` // "the journal", or the file and line
}

// A Report is what Verify found.
type Report struct {
	Size int64 `json:"size"` // leaves in the log
	Root Hash  `json:"root"` // of their tree, as they are now; of no use where leaves are missing
	// Stored and Kept count the checkpoints that were compared.
	Stored Compared `json:"stored"`
	Kept   Compared `json:"kept"`
	// Unreadable counts leaves that hold together with the tree, but that this version cannot read.
	Unreadable int64 `json:"unreadable"`
	// Jobs counts those whose records were compared.
	Jobs     int64     `json:"jobs"`
	Findings []Finding `json:"findings"`
	More     int64     `json:"more"` // findings beyond maxFindings
	// Remarks are for people: what is not wrong and should be known.
	Remarks []string `json:"remarks"`
}

// Compared says of checkpoints from one place how far they vouch for the log.
type Compared struct {
	Good int64 `json:"good"` // verified, and the leaves are as they were signed
	Bad  int64 `json:"bad"`
	// Covered is the number of leaves that the largest good one covers, and Time when it was made.
	Covered int64     `json:"covered"`
	Time    time.Time `json:"time,omitzero"`
}

// OK tells whether nothing was found.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// maxFindings bounds a report on a log of which nothing is right.
const maxFindings = 1000

func (r *Report) add(f Finding) {
	if len(r.Findings) >= maxFindings {
		r.More++
		return
	}
	r.Findings = append(r.Findings, f)
}

func (r *Report) remark(format string, args ...any) {
	r.Remarks = append(r.Remarks, fmt.Sprintf(format, args...))
}

// leaves names a range for people.
func leaves(first, last int64) string {
	if first == last {
		return fmt.Sprintf("leaf %d", first)
	}
	return fmt.Sprintf("leaves %d to %d", first, last)
}

// was and is agree with what leaves names.
func was(first, last int64) string {
	if first == last {
		return "was"
	}
	return "were"
}

func is(first, last int64) string {
	if first == last {
		return "is"
	}
	return "are"
}
