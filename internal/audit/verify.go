package audit

import (
	"bytes"
	"context"

	"golang.org/x/mod/sumdb/tlog"
)

// Expect is what a log is held against.
type Expect struct {
	// Keys are the public keys of the log. Take them from elsewhere than from beside the log: who can rewrite the one can replace the other.
	Keys Keys
	// Kept are checkpoints that were kept elsewhere.
	Kept []*Kept
	// Progress is called now and then with the number of leaves that were read; nil is not called.
	Progress func(leaves int64)
}

// progressStep is the number of leaves between two calls of Progress, and between two looks at the context.
const progressStep = 4096

// Verify reads a whole log, makes its tree anew, compares it with the stored hashes, and holds it against every checkpoint, stored and kept. The report
// says what is wrong, and where. An error means that the log could not be read to its end; what is wrong with what could be read is no error.
//
// It takes memory for what is wrong and for the kept checkpoints, and not for the leaves.
func Verify(ctx context.Context, log Source, e Expect) (*Report, error) {
	v := &verification{ctx: ctx, log: log, expect: e, signing: -1, report: &Report{Findings: []Finding{}, Remarks: []string{}}}
	if err := v.prepare(); err != nil {
		return nil, err
	}
	err := v.read()
	v.close()
	if err != nil {
		return nil, err
	}
	v.conclude()
	if v.records != nil {
		if err := v.records.end(v.report); err != nil {
			return nil, err
		}
	}
	return v.report, nil
}

// verification is one run of Verify.
type verification struct {
	ctx    context.Context
	log    Source
	expect Expect
	report *Report

	tree        rebuilding
	hashes      *hashes      // nil where none are stored
	checkpoints *checkpoints // in order, from everywhere
	gone        ranges       // leaves that are missing
	unhashed    ranges       // stored hashes that are missing
	misplaced   ranges       // rows that have no place
	records     *comparing   // nil where there are none
	signing     int64        // the last leaf that holds a checkpoint; -1 when there is none
}

// prepare opens the sequences that are read beside the leaves.
func (v *verification) prepare() error {
	var err error
	if v.checkpoints, err = v.schedule(); err != nil {
		return err
	}
	if v.log.Hashes != nil {
		v.hashes = newHashes(v.log.Hashes)
	}
	if v.log.Records != nil {
		v.records = newComparing(v.ctx, v.log.Records)
	}
	return nil
}

func (v *verification) close() {
	v.checkpoints.close()
	if v.hashes != nil {
		v.hashes.close()
	}
}

// read takes every leaf into the tree.
func (v *verification) read() error {
	for row, err := range v.log.Leaves {
		if err != nil {
			return err
		}
		if v.tree.size%progressStep == 0 {
			if err := v.pause(); err != nil {
				return err
			}
		}
		if err := v.take(row); err != nil {
			return err
		}
	}
	if err := v.tail(); err != nil {
		return err
	}
	return v.checkpoints.end()
}

func (v *verification) pause() error {
	if v.expect.Progress != nil {
		v.expect.Progress(v.tree.size)
	}
	return v.ctx.Err()
}

// take places a row. Rows between it and the one before are missing.
func (v *verification) take(row Row) error {
	if row.Seq < v.tree.size || row.Seq >= maxSize {
		v.misplaced.add(row.Seq)
		return nil
	}
	for v.tree.size < row.Seq {
		placeable, err := v.skip(row.Seq)
		if err != nil {
			return err
		}
		if !placeable {
			v.misplaced.add(row.Seq)
			return nil
		}
	}
	if err := v.checkpoints.upTo(row.Seq); err != nil {
		return err
	}
	odd := len(v.tree.odd)
	if err := v.tree.add(node{tlog.RecordHash(row.Leaf), true}, v.stored); err != nil {
		return err
	}
	whole := len(v.tree.odd) == odd || v.tree.odd[odd].level > 0
	v.inspect(row, whole)
	if whole && v.records != nil {
		return v.records.add(row.Seq, row.Leaf)
	}
	return nil
}

// maxGap bounds how many leaves in a row are counted as missing where no hash tells that they were there.
const maxGap = 1 << 16

// skip counts the next leaf as missing, on the way to one of a number. It answers false where there is no reason to believe in that number.
func (v *verification) skip(to int64) (bool, error) {
	n := v.tree.size
	index := tlog.StoredHashIndex(0, n)
	hashed := false
	if v.hashes != nil {
		var err error
		if hashed, err = v.hashes.reach(index); err != nil {
			return false, err
		}
	}
	if !hashed && to-n > maxGap || hashed && v.hashes.row.Index != index && v.gone.adjacent(n) >= maxGap {
		return false, nil
	}
	if n%progressStep == 0 {
		if err := v.pause(); err != nil {
			return false, err
		}
	}
	if err := v.checkpoints.upTo(n); err != nil {
		return false, err
	}
	v.gone.add(n)
	return true, v.tree.add(node{}, v.stored)
}

// stored answers what hash is stored.
func (v *verification) stored(index int64) (node, error) {
	if v.hashes == nil {
		return node{}, nil
	}
	kept, err := v.hashes.at(index)
	if err == nil && !kept.known {
		v.unhashed.add(index)
	}
	return kept, err
}

// inspect looks at what a leaf says. whole tells that it is what was hashed.
func (v *verification) inspect(row Row, whole bool) {
	version, _, ok := header(row.Leaf)
	if !ok || version != leafVersion || bytes.IndexByte(row.Leaf, '\n') >= 0 {
		if whole {
			v.report.Unreadable++
		}
		return
	}
	if !whole || !isCheckpoint(row.Leaf) {
		return
	}
	leaf, err := Decode(row.Leaf)
	if err != nil {
		v.report.Unreadable++
		return
	}
	v.signing = row.Seq
	v.checkpoints.leaf(row.Seq, leaf.Checkpoint)
}

// tail counts the leaves as missing of which, behind the last one, only hashes are stored.
func (v *verification) tail() error {
	if v.hashes == nil {
		return nil
	}
	for {
		index := tlog.StoredHashIndex(0, v.tree.size)
		more, err := v.hashes.reach(index)
		if err != nil {
			return err
		}
		if !more || v.hashes.row.Index >= index+64 { // one leaf completes fewer subtrees
			return v.hashes.rest()
		}
		if _, err := v.skip(v.tree.size + 1); err != nil {
			return err
		}
	}
}
