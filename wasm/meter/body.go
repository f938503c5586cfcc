package meter

// A body rewrites functions, one after the other. It follows the heights of the operand
// stack and of the label stack, which is enough to find what a function costs and how large
// its frame is; types are left to the engine's validator, which sees the result.
type body struct {
	*module
	r        reader
	function int // index among the defined functions
	locals   int // with parameters; the meter's come after them

	to     []byte // the rewritten instructions
	copied int    // offset in the module up to which to is complete

	cached    bool // the fuel is in a local
	quietLoop bool // there is a loop without calls

	labels   []label
	segments []segment // the function's, and those of the loops around the instruction
	last     int       // number of the last segment
	price    int       // of the function's first segment
	height   int       // of the operand stack
	dead     bool      // the instruction cannot be reached
	calls    int
	checks   int // that were written
	others   int // instructions so far that change variables other than locals
	frame    frame
	effort   effort
}

// A label is a structured control instruction that is open.
type label struct {
	op              byte // opBlock, opLoop, opIf, opElse; opBlock for the function itself
	base            int  // height of the operand stack below the parameters
	params, results int
	level           int     // in segments, of the code after the end
	end             arrival // of the ways to the end
	entry           arrival // at the if
	assigned        int     // assignments to locals before the block
	ways            int     // to the end, or back to the loop
	from            int     // the last branch among them
	calls           int     // in the function before the block
	others          int     // instructions before the block that change variables other than locals
	meeting         meeting // of the ways to the end
	before          way     // to the instruction
	header          int     // the block that a loop begins with
	opened          int     // number of the instruction among structured ones
	loops           int     // that are open, with this one
}

// rewrite reads the function whose code is left in r, which begins at the locals.
func (b *body) rewrite(r reader, function int, cached bool) {
	signature := b.types[b.functions[b.imported+function]]
	r.function = b.imported + function
	*b = body{module: b.module, r: r, function: function, to: b.to[:0], cached: cached, labels: b.labels[:0], segments: b.segments[:0], effort: b.effort}
	b.frame.reset(signature)
	b.readLocals(len(signature.Params))
	b.copied = b.r.p
	b.beginEffort(signature)
	b.segments = append(b.segments, segment{cost: entryCost})
	b.labels = append(b.labels, label{op: opBlock, results: len(signature.Results), end: arrival{segment: unreached}})
	for b.r.err == nil && len(b.labels) > 0 && b.effort.took <= maxEffort {
		b.instruction()
	}
	if b.r.err == nil && len(b.labels) == 0 && b.r.left() > 0 {
		b.r.malformed(b.r.p, "%d bytes after the end of the function", b.r.left())
	}
	if b.r.err == nil {
		b.finishEffort()
	}
	b.limitCompiler(r.p)
}

// readLocals reads the declarations, which are runs of one type each.
func (b *body) readLocals(params int) {
	r := &b.r
	total := int64(params)
	for runs := r.count("runs of locals", b.config.MaxLocals); runs > 0 && r.err == nil; runs-- {
		start := r.p
		n := r.u32()
		t := valueType(r)
		total += int64(n)
		if total > int64(b.config.MaxLocals) {
			r.failAt(start, ErrLimit, "%d locals: at most %d are allowed", total, b.config.MaxLocals)
			return
		}
		b.frame.declare(int(n), t)
	}
	b.locals = int(total)
	if b.cached {
		return // counted already
	}
	if b.totalLocals += b.locals; b.totalLocals > maxTotalLocals {
		r.failAt(r.p, ErrLimit, "%d locals in all functions so far: at most %d are allowed", b.totalLocals, maxTotalLocals)
	}
}

// flush copies the instructions before offset p as they are.
func (b *body) flush(p int) {
	b.to = append(b.to, b.r.b[b.copied:p]...)
	b.copied = p
}

// instruction reads one instruction and writes it, with a check where one is due.
func (b *body) instruction() {
	r := &b.r
	start := r.p
	op := r.byte()
	in := &instructions[op]
	if !b.dead {
		b.step(start)
		b.effort.adds(opEfforts[op])
	}
	switch in.immediate {
	case immNone:
	case immLocal:
		b.local(op)
	case immMemory:
		b.memoryArgument()
	case immI32:
		r.signed(32)
	case immI64:
		r.signed(64)
	case immF32:
		r.bytes(4)
	case immF64:
		r.bytes(8)
	case immGlobal:
		if i := b.globalIndex(r); op == opGlobalSet {
			b.others++
		} else {
			b.frame.readGlobal(i)
			b.finds()
		}
	case immControl:
		b.control(op, start)
		return
	case immTable:
		r.u32()
		if op == opTableSet {
			b.out.MutatesTables = true
		}
	case immMemoryIndex:
		b.memoryIndex()
		if op == opMemoryGrow {
			b.chargeGrow(start)
		}
	case immSelect:
		for n := r.count("types of a select", maxArity); n > 0 && r.err == nil; n-- {
			valueType(r)
		}
	case immRefNull:
		b.referenceType(r)
	case immRefFunc:
		b.renumber(start, op)
	case immPrefix:
		b.prefixed(op, start)
		return
	default:
		b.unsupported(op, start)
		return
	}
	if in.value && !b.dead {
		b.frame.values++
	}
	b.apply(in.effect)
}

// apply changes the height of the operand stack.
func (b *body) apply(e effect) {
	b.pop(int(e.pops))
	b.push(int(e.pushes))
}

func (b *body) pop(n int) {
	if b.dead {
		return
	}
	b.height -= n
	if b.height < b.labels[len(b.labels)-1].base {
		b.r.malformed(b.r.p, "the operand stack has too few values")
		return
	}
}

func (b *body) push(n int) {
	if !b.dead {
		b.height += n
	}
}

func (b *body) local(op byte) {
	start := b.r.p
	i := b.r.u32()
	if int64(i) >= int64(b.locals) {
		b.r.malformed(start, "unknown local %d", i)
		return
	}
	b.mention(int(i), op != opLocalGet)
	if op == opLocalGet {
		b.finds()
	} else if !b.dead {
		b.frame.assigned++
	}
}

func (b *body) memoryArgument() {
	start := b.r.p
	if align := b.r.u32(); align >= 32 {
		if align&^63 == 64 {
			b.r.failAt(start, ErrUnsupported, "an access to a numbered memory (multi-memory) is not supported")
			return
		}
		b.r.malformed(start, "alignment 2**%d", align)
		return
	}
	b.r.u32()
	b.accesses()
}

// memoryIndex reads the number of a memory, which the format keeps as one zero byte.
func (b *body) memoryIndex() {
	start := b.r.p
	if i := b.r.byte(); i != 0 {
		b.r.failAt(start, ErrUnsupported, "memory %#x: more than one memory (multi-memory) is not supported", i)
	}
}

// renumber writes an instruction whose only immediate is a function.
func (b *body) renumber(start int, op byte) uint32 {
	i := b.functionIndex(&b.r)
	b.flush(start)
	b.to = appendUint(append(b.to, op), b.shifted(i))
	b.copied = b.r.p
	return i
}
