package meter

// control reads and writes a control instruction.
func (b *body) control(op byte, start int) {
	switch op {
	case opUnreachable:
		b.kill()
	case opBlock, opLoop, opIf:
		b.open(op, start)
	case opElse:
		b.otherwise(start)
	case opEnd:
		b.end(start)
	case opBr:
		b.branch(b.label(), start)
		b.kill()
	case opBrIf:
		b.pop(1)
		b.branch(b.label(), start)
		if !b.dead {
			b.fork()
		}
	case opBrTable:
		b.pop(1)
		for n := b.r.count("targets of br_table", maxBranches) + 1; n > 0 && b.r.err == nil; n-- {
			b.branchOfTable(start)
		}
		b.kill()
	case opReturn:
		// A return would pass by the end of the block around the function, where the
		// frame is given back: it becomes a branch to that end.
		b.flush(start)
		b.to = appendUint(append(b.to, opBr), uint32(len(b.labels)-1))
		b.copied = b.r.p
		b.branch(0, start)
		b.kill()
	case opCall:
		if b.cached {
			b.flush(start)
			b.saveFuel()
		}
		i := b.renumber(start, op)
		if int(i) < b.imported {
			b.takes(searchEffort * len(b.out.Imports))
		}
		b.call(b.types[b.functions[i]])
	case opCallIndirect:
		if b.cached {
			b.flush(start)
			b.saveFuel()
		}
		_, signature := b.typeIndex(&b.r)
		b.r.u32() // table
		b.pop(1)
		b.call(signature)
	}
}

// kill ends a way through the function: what follows cannot be reached.
func (b *body) kill() {
	if !b.dead {
		b.note()
	}
	b.dead = true
}

// blockType reads a block type and returns how many values it takes and leaves.
func (b *body) blockType() (params, results int) {
	r := &b.r
	start := r.p
	if r.left() == 0 {
		r.malformed(r.p, "unexpected end")
		return 0, 0
	}
	switch c := r.b[r.p]; {
	case c == blockEmpty:
		r.p++
		return 0, 0
	case c < 0x80 && c >= 0x40:
		valueType(r)
		return 0, 1
	}
	i := r.signed(33)
	if i < 0 || i >= int64(len(b.types)) {
		r.malformed(start, "unknown type %d of a block", i)
		return 0, 0
	}
	return len(b.types[i].Params), len(b.types[i].Results)
}

// open begins a block, a loop or an if.
func (b *body) open(op byte, start int) {
	if op == opIf {
		b.pop(1)
	}
	params, results := b.blockType()
	b.verifies(params + results)
	b.pop(params)
	if len(b.labels) > b.config.MaxNesting {
		b.r.failAt(start, ErrLimit, "blocks inside each other: at most %d are allowed", b.config.MaxNesting)
	}
	if b.r.err != nil {
		return
	}
	b.labels = append(b.labels, label{
		op: op, base: b.height, params: params, results: results,
		assigned: b.frame.assigned, others: b.others, calls: b.calls,
		before: b.effort.here, opened: b.effort.open(), loops: len(b.effort.loops),
		level: len(b.segments) - 1, end: arrival{segment: unreached}, entry: b.here(len(b.segments) - 1),
	})
	b.push(params)
	if !b.dead {
		b.openBlock(&b.labels[len(b.labels)-1])
	}
	if op == opLoop {
		b.note() // nothing may come after an endless loop
		b.begin(loopCost, b.r.p)
	}
}

// otherwise turns from an if's first branch to its second.
func (b *body) otherwise(start int) {
	l := &b.labels[len(b.labels)-1]
	if l.op != opIf {
		b.r.malformed(start, "else without if")
		return
	}
	b.arrive(start)
	l.op, l.opened = opElse, b.effort.open()
	b.height = l.base
	b.resume(l.entry)
	if !b.dead {
		b.effort.here = l.before
		b.fork()
	}
	b.push(l.params)
}

// arrive ends a way at the end of the innermost block.
func (b *body) arrive(start int) {
	l := &b.labels[len(b.labels)-1]
	if b.dead {
		return
	}
	if b.height != l.base+l.results {
		b.r.malformed(start, "%d values on the operand stack at the end of a block of %d", b.height-l.base, l.results)
		return
	}
	if l.op != opLoop {
		l.end = join(l.end, b.here(l.level))
		l.ways++
	}
	b.edge(l.results)
	l.meeting.arrive(b.effort.here)
	b.note()
}

// end closes the innermost block.
func (b *body) end(start int) {
	b.arrive(start)
	l := b.labels[len(b.labels)-1]
	b.height = l.base
	if l.op == opIf && l.entry.segment != unreached {
		l.end = join(l.end, l.entry) // past the if
		l.ways++
		b.passBy(&l.meeting, l.before, l.results)
	}
	b.labels = b.labels[:len(b.labels)-1]
	if l.ways > 1 || l.op == opLoop && l.ways > 0 {
		b.frame.meet(b.frame.assigned-l.assigned, b.others > l.others || l.op == opLoop)
		b.frame.values += l.params + l.results
	}
	b.closeBlock(&l)
	if l.op == opLoop {
		b.quietLoop = b.quietLoop || l.calls == b.calls && l.ways > 0
		b.finish()
	}
	if len(b.labels) == 0 {
		b.flush(start)
		b.finish()
		return
	}
	if l.op != opLoop {
		b.resume(l.end)
	}
	b.push(l.results)
}

// label reads a label. One beyond the function would reach the meter's own block.
func (b *body) label() int {
	start := b.r.p
	n := b.r.u32()
	if int64(n) >= int64(len(b.labels)) {
		b.r.malformed(start, "unknown label %d", n)
		return 0
	}
	return len(b.labels) - 1 - int(n)
}

// branch notes a way to a label, which stays a way onward if the branch is conditional.
func (b *body) branch(to, start int) {
	if b.r.err != nil {
		return
	}
	l := &b.labels[to]
	arity := l.results
	if l.op == opLoop {
		arity = l.params
	}
	b.verifies(arity)
	if b.dead {
		return
	}
	if l.from != start { // br_table may name a label many times
		l.from = start
		l.ways++
	}
	b.edge(arity)
	if l.op == opLoop {
		b.backTo(l)
	} else {
		l.end = join(l.end, b.here(l.level))
		l.meeting.arrive(b.effort.here)
	}
	if b.height-b.labels[len(b.labels)-1].base < arity {
		b.r.malformed(b.r.p, "the operand stack has too few values for a branch of %d", arity)
	}
}

func (b *body) call(s Signature) {
	if b.r.err != nil {
		return
	}
	b.pop(len(s.Params))
	b.verifies(len(s.Params) + len(s.Results))
	b.calling(len(s.Params) + len(s.Results))
	b.calls++
	if b.cached {
		b.flush(b.r.p)
		b.loadFuel()
	}
	if !b.dead {
		b.frame.called(s)
		b.others++
	}
	b.push(len(s.Results))
}
