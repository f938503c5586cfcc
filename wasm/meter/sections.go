package meter

// Section numbers (core specification 2.0, 5.5.2).
const (
	sectionCustom = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
	sectionDataCount
	sectionTag // of the exception handling proposal
	sections
)

var sectionNames = [sections]string{"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data", "data count", "tag"}

// rank orders the sections as a module must: the data count section stands before the code.
var rank = [sections]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 10, 0}

// split finds the sections of a module and checks their order. Contents are looked at only
// in custom sections, whose names must be well formed.
func (m *module) split(r *reader) {
	if string(r.bytes(8)) != "\x00asm\x01\x00\x00\x00" {
		r.malformed(0, "not a WebAssembly module of version 1")
		return
	}
	last := 0
	for r.left() > 0 {
		start := r.p
		id := r.byte()
		size := r.u32()
		if int64(size) > int64(r.left()) {
			r.malformed(start, "section %d of %d bytes: %d bytes left", id, size, r.left())
		}
		if r.err != nil {
			return
		}
		s := reader{b: r.b, p: r.p, end: r.p + int(size), function: -1}
		switch {
		case id == sectionTag:
			r.failAt(start, ErrUnsupported, "exception handling (tag section) is not supported")
		case id >= sections:
			r.malformed(start, "unknown section %d", id)
		case id == sectionCustom:
			s.section = sectionNames[id]
			if s.name(); s.err != nil {
				r.failAt(s.err.Offset, s.err.Kind, "custom section: %s", s.err.Reason)
			}
		case rank[id] <= last:
			r.malformed(start, "%s section out of order or twice", sectionNames[id])
		default:
			last = rank[id]
			s.section = sectionNames[id]
			m.section[id] = s
		}
		if r.err != nil {
			return
		}
		r.p = s.end
	}
}

// each reads one section, if the module has it, as a vector of items.
func (m *module) each(id int, what string, most int, item func(r *reader, i int)) error {
	r := m.section[id]
	if r.b == nil {
		return nil
	}
	n := r.count(what, most)
	m.items[id] = r.p
	for i := 0; i < n && r.err == nil; i++ {
		item(&r, i)
	}
	m.count[id] = n
	return m.done(&r)
}

// done returns the failure of a section's reader, or that bytes are left over.
func (m *module) done(r *reader) error {
	if r.err == nil && r.left() > 0 {
		r.malformed(r.p, "%d bytes after the last item", r.left())
	}
	if r.err != nil {
		return r.err
	}
	return nil
}
