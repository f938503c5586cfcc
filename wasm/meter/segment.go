package meter

// A segment is code that one check pays for: the function outside its loops, or a loop
// outside the loops in it, or a part of these where they are long. Nothing in a segment runs
// twice between two checks, because only the branch to a loop goes back. Its price is the
// longest way through it, counted in instructions.
type segment struct {
	number  int
	cost    int // of the longest way to this instruction
	longest int
	patch   int // where in body.to the price is filled in; 0 for the function's first
}

// An arrival is how ways come to a place: from which segment's check, and at what cost the
// longest of them.
type arrival struct {
	segment int // a number, or one of the constants below
	cost    int
}

const (
	unreached = -1
	several   = -2 // segments
)

// join returns how ways come to a place to which they come as a and as b.
func join(a, b arrival) arrival {
	switch {
	case a.segment == unreached:
		return b
	case b.segment == unreached:
		return a
	case a.segment == b.segment:
		return arrival{a.segment, max(a.cost, b.cost)}
	}
	return arrival{segment: several}
}

// here is how ways come to this instruction, as the loops outside of level see it.
func (b *body) here(level int) arrival {
	if b.dead {
		return arrival{segment: unreached}
	}
	return arrival{b.segments[level].number, b.segments[level].cost}
}

// step counts the instruction at offset p. If the way to it is long, a segment begins before it.
func (b *body) step(p int) {
	if b.segments[len(b.segments)-1].cost >= MaxSegment {
		b.split(p)
	}
	b.segments[len(b.segments)-1].cost++
}

// resume goes on with ways that have come to this place. If they come from more than one check,
// or from one whose segment has ended, nothing has paid for what follows.
func (b *body) resume(a arrival) {
	s := &b.segments[len(b.segments)-1]
	b.dead = a.segment == unreached
	switch {
	case b.dead:
	case a.segment == s.number:
		s.cost = a.cost
	default:
		b.split(b.r.p)
	}
}

// split ends the innermost segment and begins another before offset p.
func (b *body) split(p int) {
	b.finish()
	b.begin(checkCost, p)
}

// begin begins a segment before offset p.
func (b *body) begin(cost, p int) {
	b.last++
	b.segments = append(b.segments, segment{number: b.last, cost: cost})
	b.checkSegment(p)
}

// note keeps the longest way through the innermost segment.
func (b *body) note() {
	s := &b.segments[len(b.segments)-1]
	s.longest = max(s.longest, s.cost)
}

// finish ends the innermost segment, whose price is known now.
func (b *body) finish() {
	b.note()
	s := b.segments[len(b.segments)-1]
	b.segments = b.segments[:len(b.segments)-1]
	if s.patch == 0 {
		b.price = s.longest
	} else {
		putPadded(b.to[s.patch:], s.longest)
	}
}
