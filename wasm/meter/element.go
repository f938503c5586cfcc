package meter

// element reads one element segment, in any of its eight encodings (core specification 2.0,
// 5.5.12), and appends it with function indices shifted.
func (m *module) element(r *reader, b []byte) []byte {
	const (
		passive      = 1 << iota // or declarative, if explicit too
		explicit                 // table index (active), or declarative
		expressions              // items are expressions, not function indices
		declarations = passive | explicit
	)
	start := r.p
	flags := r.u32()
	if flags > passive|explicit|expressions {
		r.malformed(start, "element segment of kind %d", flags)
		return b
	}
	b = appendUint(b, flags)
	if flags&passive == 0 {
		if flags&explicit != 0 {
			b = appendUint(b, r.u32())
		}
		m.constant(r, &b)
	}
	if flags&declarations != 0 {
		kind := r.p
		k := r.byte()
		b = append(b, k)
		switch {
		case r.err != nil:
		case flags&expressions == 0 && k != 0:
			r.malformed(kind, "element kind %#x", k)
		case flags&expressions != 0 && !ValueType(k).reference():
			r.malformed(kind, "elements of type %#x", k)
		}
	}
	n := r.count("elements", maxElements-m.elements)
	m.elements += n
	b = appendUint(b, uint32(n))
	for i := 0; i < n && r.err == nil; i++ {
		if flags&expressions != 0 {
			m.constant(r, &b)
		} else {
			b = appendUint(b, m.shifted(m.functionIndex(r)))
		}
	}
	return b
}
