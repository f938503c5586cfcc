package audit

import "iter"

// hashes are the stored hashes, read in step with the leaves.
type hashes struct {
	next      func() (HashRow, error, bool)
	stop      func()
	row       HashRow // the next one
	ended     bool
	begun     bool
	misplaced ranges // where there can be none
}

func newHashes(rows iter.Seq2[HashRow, error]) *hashes {
	h := &hashes{}
	h.next, h.stop = iter.Pull2(rows)
	return h
}

func (h *hashes) close() { h.stop() }

func (h *hashes) advance() error {
	row, err, ok := h.next()
	if !ok {
		h.ended = true
		return nil
	}
	h.row = row
	return err
}

// reach skips what stands before index, which has no place there, and tells whether anything is stored at index or behind it.
func (h *hashes) reach(index int64) (bool, error) {
	if !h.begun {
		h.begun = true
		if err := h.advance(); err != nil {
			return false, err
		}
	}
	for !h.ended && h.row.Index < index {
		h.misplaced.add(h.row.Index)
		if err := h.advance(); err != nil {
			return false, err
		}
	}
	return !h.ended && h.row.Index <= maxIndex, nil
}

// maxIndex is no index of a tree that is read.
const maxIndex = 2 * maxSize

// at returns the hash that is stored at an index, and moves on. What is not as long as a hash is none.
func (h *hashes) at(index int64) (node, error) {
	if more, err := h.reach(index); err != nil || !more || h.row.Index != index {
		return node{}, err
	}
	var n node
	if len(h.row.Hash) == len(n.hash) {
		n = node{Hash(h.row.Hash), true}
	}
	return n, h.advance()
}

// rest reads what is left. None of it has a place.
func (h *hashes) rest() error {
	for !h.ended {
		h.misplaced.add(h.row.Index)
		if err := h.advance(); err != nil {
			return err
		}
	}
	return nil
}
