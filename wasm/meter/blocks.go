package meter

// The functions here follow the blocks that wazero's compiler makes of a function, and the edges between them,
// and count what they take.

// edge counts an edge from the block being read, with values that it passes on.
func (b *body) edge(values int) {
	b.effort.adds(edgeEffort + 2*climbEffort*b.effort.here.depth + passEffort*values)
}

// enterBlock begins a block that is reached in this way from the one before it.
func (b *body) enterBlock(w way, c crossing) {
	w.depth++
	b.effort.adds(blockEffort + climbEffort*w.depth + boundEffort*w.bounds + liveEffort*b.height)
	b.effort.here = w
	b.effort.blocks = append(b.effort.blocks, c)
}

// follow begins a block that nothing but one edge leads to.
func (b *body) follow(from way) {
	from.chain++
	b.enterBlock(from, crossing{})
}

// fork begins a block that is one of several to follow on the one being read.
func (b *body) fork() {
	b.edge(0)
	b.follow(b.effort.here)
}

// meet begins the block that follows on a structured instruction, if there is a way to it.
func (b *body) meet(m *meeting, assigned, results int) {
	switch m.edges {
	case 0:
	case 1:
		b.follow(m.common)
	default:
		b.effort.adds(pairEffort*m.edges*m.edges/2 + commonEffort*m.edges*min(m.bounds, b.effort.accesses))
		m.common.chain = 0
		b.enterBlock(m.common, crossing{m.edges, m.walked, assigned, results})
	}
}

// openBlock begins the blocks of a structured instruction that is reached.
func (b *body) openBlock(l *label) {
	e := &b.effort
	switch l.op {
	case opIf:
		b.fork()
	case opLoop:
		b.edge(l.params)
		l.header = len(e.blocks)
		b.enterBlock(e.here, crossing{edges: 1, walked: e.here.chain + 1, results: l.params})
		e.here.chain = 0
		e.openLoop()
		l.loops++
		e.nesting = max(e.nesting, len(e.loops))
	}
}

// backTo counts a branch to a loop.
func (b *body) backTo(l *label) {
	c := &b.effort.blocks[l.header]
	c.edges++
	c.walked += b.effort.here.chain + 1
}

// closeBlock ends a structured instruction, and begins the block after it.
func (b *body) closeBlock(l *label) {
	assigned := b.frame.assigned - l.assigned
	if l.op == opLoop && l.entry.segment != unreached {
		c := &b.effort.blocks[l.header]
		c.assigned = assigned
		b.effort.adds(pairEffort * c.edges * c.edges / 2)
		b.effort.closeLoop(len(b.effort.blocks) - 1)
	}
	b.meet(&l.meeting, assigned, l.results)
}

// passBy takes the way past an if that has no else. The compiler does not keep there what it knows of bounds.
func (b *body) passBy(m *meeting, before way, results int) {
	b.effort.here = before
	b.fork()
	b.edge(results)
	b.effort.here.bounds = 0
	m.arrive(b.effort.here)
}

// checking counts a check: an if, and a call in it.
func (b *body) checking() {
	var m meeting
	before := b.effort.here
	b.fork()
	b.calling(0)
	b.edge(0)
	m.arrive(b.effort.here)
	b.passBy(&m, before, 0)
	b.meet(&m, 0, 0)
}

// filling counts what memory.fill and table.fill become: a loop, and a way past it.
func (b *body) filling() {
	var m meeting
	e := &b.effort
	b.edge(0)
	m.arrive(e.here)
	b.fork()
	b.edge(1)
	b.enterBlock(e.here, crossing{edges: 2, walked: e.here.chain + 2, results: 1})
	e.here.chain = 0
	e.nesting = max(e.nesting, len(e.loops)+1)
	b.edge(0)
	m.arrive(e.here)
	b.meet(&m, 0, 0)
}

// branchOfTable notes a way to the next label of a br_table, which has a block of its own.
func (b *body) branchOfTable(start int) {
	from := b.effort.here
	if !b.dead {
		b.fork()
		b.effort.here.bounds = 0 // which the compiler does not keep there
	}
	b.branch(b.label(), start)
	b.effort.here = from
}
