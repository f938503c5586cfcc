package meter

import "slices"

// A wanted finds how many locals have values that are wanted later, at every block of a function, from
// above and in one reading.
//
// An assignment is on all ways to the reads that follow it inside the structured instruction that it
// stands in directly: what could lead past it would have to begin before it, and end between. So the
// value that a local had before is wanted no longer, and the new one up to the last of these reads; if
// that is in a loop which began after the assignment, up to the end of the loop. A local whose reads
// cannot be told to follow an assignment is wanted from the beginning.
type wanted struct {
	locals []local
	spans  []span // that are over
	ends   []int  // of loops: the last block of each
	loops  []int  // those around the instruction, as indices of ends
	opened int    // structured instructions so far
	deltas []int
}

// A local is one that has been mentioned, with the span that is not over yet.
type local struct {
	span
	mentioned bool
	label     int // what the assignment stands in, as an index of the labels
	opened    int // its number among all structured instructions
}

// A span is from the block of an assignment to the last where the value is read.
type span struct{ first, last, loop int } // loop is one whose end it reaches, plus 1; 0 for none

func (w *wanted) reset(locals int) {
	w.locals = slices.Grow(w.locals[:0], locals)[:locals]
	clear(w.locals)
	w.spans, w.ends, w.loops, w.opened = w.spans[:0], w.ends[:0], w.loops[:0], 0
}

// open numbers a structured instruction.
func (w *wanted) open() int {
	w.opened++
	return w.opened
}

// openLoop begins a loop.
func (w *wanted) openLoop() {
	w.loops = append(w.loops, len(w.ends))
	w.ends = append(w.ends, 0)
}

// closeLoop ends the innermost loop in a block.
func (w *wanted) closeLoop(block int) {
	last := len(w.loops) - 1
	w.ends[w.loops[last]] = block
	w.loops = w.loops[:last]
}

// mention notes an instruction with a local.
func (b *body) mention(i int, assigns bool) {
	if b.dead {
		return
	}
	w, top := &b.effort.wanted, len(b.labels)-1
	v := &w.locals[i]
	inside := v.label <= top && b.labels[v.label].opened == v.opened
	block := len(b.effort.blocks) - 1
	switch {
	case assigns && (!v.mentioned || !inside || v.label == top):
		w.over(v.span)
		*v = local{span{first: block}, true, top, b.labels[top].opened}
	case !v.mentioned || !inside:
		v.first, v.mentioned, v.label, v.opened = 0, true, 0, b.labels[0].opened
	}
	v.last = block
	if around := b.labels[v.label].loops; around < len(w.loops) {
		v.loop = w.loops[around] + 1
	}
}

// over keeps a span that ends after the block that it begins in.
func (w *wanted) over(s span) {
	if s.last > s.first || s.loop > 0 {
		w.spans = append(w.spans, s)
	}
}

// changes returns for each of so many blocks how many more locals are wanted there than before.
func (w *wanted) changes(blocks int) []int {
	for i := range w.locals {
		w.over(w.locals[i].span)
	}
	w.deltas = slices.Grow(w.deltas[:0], blocks+1)[:blocks+1]
	clear(w.deltas)
	for _, s := range w.spans {
		if s.loop > 0 {
			s.last = max(s.last, w.ends[s.loop-1])
		}
		w.deltas[s.first+1]++
		w.deltas[s.last+1]--
	}
	return w.deltas[:blocks]
}
