package meter

import "time"

func (m *module) readType(r *reader, _ int) {
	start := r.p
	if form := r.byte(); form != 0x60 && r.err == nil {
		kind, what := ErrMalformed, "is not a function type"
		if form == 0x4e || form == 0x50 || form == 0x4f || form == 0x5e || form == 0x5f {
			kind, what = ErrUnsupported, "is of the garbage collection proposal, which is not supported"
		}
		r.failAt(start, kind, "type form %#x %s", form, what)
	}
	s := Signature{Params: valueTypes(r, "parameters"), Results: valueTypes(r, "results")}
	m.types = append(m.types, s)
	m.totalEffort += time.Duration(preambleEffort * (len(s.Params) + len(s.Results)))
}

func valueTypes(r *reader, what string) []ValueType {
	n := r.count(what, maxArity)
	if n == 0 {
		return nil
	}
	types := make([]ValueType, n)
	for i := range types {
		types[i] = valueType(r)
	}
	return types
}

func valueType(r *reader) ValueType {
	start := r.p
	t := ValueType(r.byte())
	if r.err == nil && !t.valid() {
		kind, what := ErrMalformed, "unknown value type %#x"
		if t == 0x63 || t == 0x64 || t >= 0x69 && t <= 0x74 {
			kind, what = ErrUnsupported, "value type %#x is not part of WebAssembly 2.0 and not supported"
		}
		r.failAt(start, kind, what, byte(t))
	}
	return t
}

// typeIndex reads the index of a type and returns the type too.
func (m *module) typeIndex(r *reader) (uint32, Signature) {
	start := r.p
	i := r.u32()
	if r.err == nil && int64(i) >= int64(len(m.types)) {
		r.malformed(start, "unknown type %d", i)
	}
	if r.err != nil {
		return 0, Signature{}
	}
	return i, m.types[i]
}

// limits reads a minimum and a maximum; without one it is largest.
func limits(r *reader, what string, largest uint32) (low, high uint32, has bool) {
	start := r.p
	flags := r.byte()
	switch {
	case r.err != nil:
	case flags&^7 != 0:
		r.malformed(start, "limits of a %s: flags %#x", what, flags)
	case flags&4 != 0:
		r.failAt(start, ErrUnsupported, "64-bit %s is not supported", what)
	case flags&2 != 0:
		r.failAt(start, ErrUnsupported, "shared %s (threads) is not supported", what)
	}
	low, high = r.u32(), largest
	if flags&1 != 0 {
		high, has = r.u32(), true
	}
	if r.err == nil && (low > high || high > largest) {
		r.malformed(start, "size of a %s: minimum %d, maximum %d", what, low, high)
	}
	return low, high, has
}

func (m *module) tableType(r *reader) tableLimits {
	start := r.p
	if r.left() > 0 && r.b[r.p] == 0x40 {
		r.failAt(start, ErrUnsupported, "a table with an initial value is not supported")
	}
	t := valueType(r)
	if !t.reference() {
		r.malformed(start, "a table of %s", t)
	}
	low, high, _ := limits(r, "table", 1<<32-1)
	if int64(low) > int64(m.config.MaxTableElements) {
		r.failAt(start, ErrLimit, "a table of %d elements: at most %d are allowed", low, m.config.MaxTableElements)
	}
	return tableLimits{t, low, high}
}

func readGlobalType(r *reader) globalType {
	t := valueType(r)
	start := r.p
	mutable := r.byte()
	if mutable > 1 {
		r.malformed(start, "mutability %#x of a global", mutable)
	}
	return globalType{t, mutable == 1}
}
