package meter

// prefixed reads an instruction of two parts: bulk memory, saturating conversions, vectors.
func (b *body) prefixed(op byte, start int) {
	r := &b.r
	sub := r.u32()
	if op == opVector {
		b.vector(sub, start)
		return
	}
	in := effect{3, 0}
	switch sub {
	case 0, 1, 2, 3, 4, 5, 6, 7: // saturating conversions
		in = effect{1, 1}
	case miscMemoryInit:
		r.u32()
		b.memoryIndex()
		b.chargeLength(start, bytesShift)
	case miscMemoryCopy:
		b.memoryIndex()
		b.memoryIndex()
		b.chargeLength(start, bytesShift)
	case miscMemoryFill:
		b.memoryIndex()
		b.chargeLength(start, bytesShift)
	case miscDataDrop, miscElemDrop:
		r.u32()
		b.out.DropsSegments = true
		in = effect{}
	case miscTableInit, miscTableCopy:
		r.u32()
		r.u32()
		b.out.MutatesTables = true
		b.chargeLength(start, 0)
	case miscTableGrow:
		r.u32()
		b.out.MutatesTables = true
		b.chargeLength(start, 0)
		in = effect{2, 1}
	case miscTableSize:
		r.u32()
		in = effect{0, 1}
	case miscTableFill:
		r.u32()
		b.out.MutatesTables = true
		b.chargeLength(start, 0)
	default:
		r.failAt(start, ErrUnsupported, "opcode %#x %#x is not supported", op, sub)
	}
	if sub >= miscMemoryInit {
		b.takes(tableEffort)
	}
	if !b.dead {
		b.frame.values++
		if sub == miscMemoryFill || sub == miscTableFill {
			b.filling()
		}
	}
	b.apply(in)
}

// bulk counts what the compiler makes of a bulk instruction: bounds checks, and a call.
func (b *body) bulk() {
	const values = 8
	if !b.dead {
		b.frame.values += values
		b.frame.called(Signature{})
	}
	b.others++
}

func (b *body) vector(sub uint32, start int) {
	r := &b.r
	if sub >= uint32(len(vectorInstructions)) || !vectorInstructions[sub].known {
		r.failAt(start, ErrUnsupported, "opcode %#x %#x is not supported", opVector, sub)
		return
	}
	v := &vectorInstructions[sub]
	if v.memory {
		b.memoryArgument()
		b.takes(accessEffort)
	}
	if v.lane {
		r.byte()
	}
	r.bytes(v.bytes)
	b.frame.vectors = true
	if !b.dead {
		b.frame.values++
	}
	b.apply(v.effect)
}

// unsupported names the proposal that an unknown opcode is from.
func (b *body) unsupported(op byte, start int) {
	proposal := ""
	switch {
	case op == opAtomic:
		proposal = " (threads)"
	case op == 0x12 || op == 0x13 || op == 0x15:
		proposal = " (tail calls)"
	case op >= 0x06 && op <= 0x0a || op == 0x18 || op == 0x19 || op == 0x1f:
		proposal = " (exception handling)"
	case op == 0x14 || op >= 0xd3 && op <= 0xd6:
		proposal = " (typed function references)"
	case op == 0xfb:
		proposal = " (garbage collection)"
	}
	b.r.failAt(start, ErrUnsupported, "opcode %#x%s is not supported", op, proposal)
}
