package meter

// constant reads a constant expression: one constant instruction and end (core specification
// 2.0, 3.3.9; the extended expressions of later versions are not supported). If to is not
// nil, the expression is appended to it, with function indices shifted.
func (m *module) constant(r *reader, to *[]byte) {
	start := r.p
	function := int64(-1)
	switch op := r.byte(); op {
	case opI32Const:
		r.signed(32)
	case opI64Const:
		r.signed(64)
	case opF32Const:
		r.bytes(4)
	case opF64Const:
		r.bytes(8)
	case opVector:
		if sub := r.u32(); sub != vectorConst {
			r.malformed(start, "constant expression required: opcode 0xfd %#x", sub)
		}
		r.bytes(16)
	case opGlobalGet:
		m.globalIndex(r)
	case opRefNull:
		m.referenceType(r)
	case opRefFunc:
		function = int64(m.functionIndex(r))
	default:
		r.malformed(start, "constant expression required: opcode %#x", op)
	}
	last := r.p
	if op := r.byte(); op != opEnd {
		r.malformed(last, "constant expression of more than one instruction: opcode %#x", op)
	}
	switch {
	case to == nil || r.err != nil:
	case function >= 0:
		*to = append(*to, opRefFunc)
		*to = append(appendUint(*to, m.shifted(uint32(function))), opEnd)
	default:
		*to = append(*to, r.b[start:r.p]...)
	}
}

// globalIndex reads the index of a global: the meter's own come after the module's and must
// stay out of its reach.
func (m *module) globalIndex(r *reader) uint32 {
	start := r.p
	i := r.u32()
	if int64(i) >= int64(len(m.globals)) {
		r.malformed(start, "unknown global %d", i)
		return 0
	}
	return i
}

func (m *module) referenceType(r *reader) ValueType {
	start := r.p
	t := valueType(r)
	if !t.reference() {
		r.malformed(start, "%s is not a reference type", t)
	}
	return t
}
