package audit

import (
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// A node is a hash of the tree, unless too much is missing to tell it.
type node struct {
	hash  Hash
	known bool
}

func (n node) is(h Hash) bool { return n.known && n.hash == h }

// above returns the parent of two nodes.
func above(left, right node) node {
	if !left.known || !right.known {
		return node{}
	}
	return node{tlog.NodeHash(left.hash, right.hash), true}
}

// A rebuilding makes the tree anew, leaf by leaf, and compares it with the stored one. It keeps the right edge of two trees. One is of the leaves as they
// are now. The other is what the log was, as far as can be told: where a stored hash differs, the stored one counts, until a hash above it, or the root
// in a checkpoint, says who is right.
type rebuilding struct {
	size      int64
	now, then [64]node // of the complete subtree of 1<<i leaves at the edge, where bit i of size is set
	odd       []difference
	lost      []lostLeaf
	settled   int   // what is before in odd has its verdict for good
	uncounted int64 // differences beyond maxDifferences
}

// maxDifferences bounds the memory that a log takes of which nothing is right.
const maxDifferences = 1 << 17

// A difference is a stored hash that is not that of the leaves below it.
type difference struct {
	level       int
	first, last int64 // the leaves below
	index       int64 // of the stored hash
	now, stored Hash
	verdict     verdict
	follows     bool // from a difference below it
	found       bool // as another leaf of this log
}

// A lostLeaf is missing, and its hash is not.
type lostLeaf struct {
	seq  int64
	hash Hash
}

// A verdict says what of the two was changed.
type verdict int

const (
	unclear verdict = iota
	leafChanged
	hashChanged
)

// add takes the next leaf, or what stands for it: its stored hash where it is missing. stored is asked for each hash that was stored with this leaf,
// from below to above.
func (r *rebuilding) add(leaf node, stored func(index int64) (node, error)) error {
	n := r.size
	now, then := leaf, leaf
	index := tlog.StoredHashIndex(0, n)
	for level := 0; ; level++ {
		kept, err := stored(index + int64(level))
		if err != nil {
			return err
		}
		if kept.known {
			now, then = r.compare(now, then, kept.hash, level, index+int64(level))
		}
		if n>>level&1 == 0 {
			r.now[level], r.then[level] = now, then
			r.size++
			return nil
		}
		same := now == then && r.now[level] == r.then[level]
		now = above(r.now[level], now)
		if same {
			then = now
		} else {
			then = above(r.then[level], then)
		}
	}
}

// compare holds both trees against a stored hash that the leaf n = r.size completes, and returns what they have there from now on.
func (r *rebuilding) compare(now, then node, stored Hash, level int, index int64) (node, node) {
	last := r.size
	first := last + 1 - 1<<level
	switch {
	case now.is(stored):
		if then != now {
			r.judge(first, hashChanged)
		}
		return now, now
	case !now.known: // and neither is then
		if level == 0 && len(r.lost) < maxDifferences {
			r.lost = append(r.lost, lostLeaf{first, stored})
		}
		return node{stored, true}, node{stored, true}
	}
	follows := level > 0 && then.is(stored)
	if follows {
		r.judge(first, leafChanged)
	}
	if len(r.odd) < maxDifferences {
		r.odd = append(r.odd, difference{level: level, first: first, last: last, index: index, now: now.hash, stored: stored, follows: follows})
	} else if !follows {
		r.uncounted++
	}
	return now, node{stored, true}
}

// judge gives a verdict on what lies below a hash: the higher it stands, the more it counts.
func (r *rebuilding) judge(first int64, v verdict) {
	for i := len(r.odd) - 1; i >= r.settled && r.odd[i].last >= first; i-- {
		r.odd[i].rule(v)
	}
}

// rule gives a verdict. What was a changed hash has been put right, so that what is found later does not depend on it.
func (d *difference) rule(v verdict) {
	if d.verdict == unclear || v == hashChanged {
		d.verdict = v
	}
}

// A match says which of the two trees has a root.
type match int

const (
	neither   match = iota
	matchNow        // the leaves are as they were signed
	matchThen       // they are not, and what they were is known
	untold          // too much is missing
)

// signed compares the roots with one that was signed for the present size. A signed root is stronger evidence than stored hashes are.
func (r *rebuilding) signed(root Hash) match {
	now, then := r.root(&r.now), r.root(&r.then)
	switch {
	case !now.known:
		return untold
	case now.hash == root:
		r.settle(hashChanged)
		r.then = r.now
		return matchNow
	case then.is(root):
		r.settle(leafChanged)
		return matchThen
	}
	return neither
}

// settle closes the differences so far.
func (r *rebuilding) settle(v verdict) {
	for i := r.settled; i < len(r.odd); i++ {
		r.odd[i].rule(v)
	}
	r.settled = len(r.odd)
}

// root folds an edge into the root of its tree, which has leaves.
func (r *rebuilding) root(edge *[64]node) node {
	var h node
	for rest := uint64(r.size); rest != 0; rest &= rest - 1 {
		level := bits.TrailingZeros64(rest)
		if rest == uint64(r.size) {
			h = edge[level]
		} else {
			h = above(edge[level], h)
		}
	}
	return h
}
