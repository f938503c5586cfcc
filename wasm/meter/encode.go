package meter

import "slices"

// An encoder writes the metered module, section by section in their order.
type encoder struct {
	*module
	to []byte

	added   []Signature    // types that are appended to the module's
	wrapper map[uint32]int // function type with several results -> type of the block around its body
}

func (e *encoder) encode() error {
	e.to = append(e.to, "\x00asm\x01\x00\x00\x00"...)
	e.addTypes()
	e.vector(sectionType, len(e.added), func() {
		for _, s := range e.added {
			e.to = append(e.to, 0x60)
			e.valueTypes(s.Params)
			e.valueTypes(s.Results)
		}
	})
	e.vector(sectionImport, 1, func() {
		e.to = appendName(appendName(e.to, Reserved), refillName)
		e.to = appendUint(append(e.to, byte(FunctionKind)), uint32(len(e.types)))
	})
	e.vector(sectionFunction, 1, func() { e.to = appendUint(e.to, uint32(len(e.types))+1) })
	e.tablesSection()
	e.copySection(sectionMemory)
	e.globalsSection()
	e.exportsSection()
	if e.start >= 0 {
		e.sectionOf(sectionStart, func() { e.to = appendUint(e.to, e.shifted(uint32(e.start))) })
	}
	if err := e.elementsSection(); err != nil {
		return err
	}
	segments, err := e.checkData()
	if err != nil {
		return err
	}
	e.copySection(sectionDataCount)
	if err := e.codeSection(); err != nil {
		return err
	}
	if segments > 0 {
		e.copySection(sectionData)
	}
	return nil
}

// addTypes collects the types of refill, of recheck, and of blocks with several results.
func (e *encoder) addTypes() {
	e.added = []Signature{refillSignature, {}}
	e.wrapper = make(map[uint32]int)
	for _, t := range e.functions[e.imported:] {
		results := e.types[t].Results
		if _, done := e.wrapper[t]; done || len(results) < 2 {
			continue
		}
		if len(e.types[t].Params) == 0 {
			e.wrapper[t] = int(t)
			continue
		}
		block := Signature{Results: results}
		at := slices.IndexFunc(e.added, block.Equal)
		if at < 0 {
			at = len(e.added)
			e.added = append(e.added, block)
		}
		e.wrapper[t] = len(e.types) + at
	}
}

func (e *encoder) valueTypes(types []ValueType) {
	e.to = appendUint(e.to, uint32(len(types)))
	for _, t := range types {
		e.to = append(e.to, byte(t))
	}
}

// sectionOf writes a section with the contents that write appends.
func (e *encoder) sectionOf(id byte, write func()) {
	var start int
	e.to, start = openSection(e.to, id)
	write()
	e.to = closeSection(e.to, start)
}

// vector writes a section that is a vector: the module's own items as they are, then
// some more.
func (e *encoder) vector(id byte, more int, write func()) {
	s := e.section[id]
	e.sectionOf(id, func() {
		e.to = appendUint(e.to, uint32(e.count[id]+more))
		if s.b != nil {
			e.to = append(e.to, s.b[e.items[id]:s.end]...)
		}
		write()
	})
}

func (e *encoder) copySection(id byte) {
	if s := e.section[id]; s.b != nil {
		e.sectionOf(id, func() { e.to = append(e.to, s.b[s.p:s.end]...) })
	}
}

func (e *encoder) tablesSection() {
	if len(e.tableMax) == 0 {
		return
	}
	e.sectionOf(sectionTable, func() {
		e.to = appendUint(e.to, uint32(len(e.tableMax)))
		for _, t := range e.tableMax {
			e.to = append(e.to, byte(t.element), 1)
			e.to = appendUint(appendUint(e.to, t.min), t.max)
		}
	})
}

// globalsSection appends fuel and depth.
func (e *encoder) globalsSection() {
	r := e.section[sectionGlobal]
	e.sectionOf(sectionGlobal, func() {
		e.to = appendUint(e.to, uint32(e.count[sectionGlobal]+2))
		r.p = e.items[sectionGlobal]
		for range e.count[sectionGlobal] {
			e.to = append(e.to, r.bytes(2)...) // type and mutability
			e.constant(&r, &e.to)
		}
		for _, value := range []int64{0, e.config.Stack} {
			e.to = append(e.to, byte(I64), 1, opI64Const)
			e.to = append(appendInt(e.to, value), opEnd)
		}
	})
}

// exportsSection appends the mutable globals, fuel and depth.
func (e *encoder) exportsSection() {
	r := e.section[sectionExport]
	e.sectionOf(sectionExport, func() {
		e.to = appendUint(e.to, uint32(len(e.out.Exports)+len(e.out.Globals)+2))
		r.p = e.items[sectionExport]
		for _, x := range e.out.Exports {
			e.to = appendName(e.to, x.Name)
			r.name()
			e.to = append(e.to, r.byte())
			i := r.u32()
			if x.Kind == FunctionKind {
				i = e.shifted(i)
			}
			e.to = appendUint(e.to, i)
		}
		added := 0
		for i, g := range e.globals {
			if g.mutable {
				e.exportGlobal(e.out.Globals[added].Export, i)
				added++
			}
		}
		e.exportGlobal(fuelName, len(e.globals))
		e.exportGlobal(depthName, len(e.globals)+1)
	})
}

func (e *encoder) exportGlobal(name string, i int) {
	e.to = append(appendName(e.to, name), byte(GlobalKind))
	e.to = appendUint(e.to, uint32(i))
}

func (e *encoder) elementsSection() error {
	r := e.section[sectionElement]
	if r.b == nil {
		return nil
	}
	e.sectionOf(sectionElement, func() {
		n := r.count("element segments", maxSegments)
		e.to = appendUint(e.to, uint32(n))
		for i := 0; i < n && r.err == nil; i++ {
			e.to = e.element(&r, e.to)
		}
	})
	return e.done(&r)
}

// checkData reads the data section, which is copied as it is, and returns its segments.
func (e *encoder) checkData() (segments int, err error) {
	if err := e.each(sectionData, "data segments", maxSegments, e.readData); err != nil {
		return 0, err
	}
	segments = e.count[sectionData]
	r := e.section[sectionDataCount]
	if r.b == nil {
		return segments, nil
	}
	start := r.p
	if n := r.u32(); r.err == nil && int64(n) != int64(segments) {
		r.malformed(start, "%d data segments are announced, there are %d", n, segments)
	}
	return segments, e.done(&r)
}

func (m *module) readData(r *reader, _ int) {
	start := r.p
	flags := r.u32()
	if flags > 2 {
		r.malformed(start, "data segment of kind %d", flags)
	}
	if flags == 2 {
		if i := r.u32(); i != 0 {
			r.failAt(start, ErrUnsupported, "memory %d: more than one memory (multi-memory) is not supported", i)
		}
	}
	if flags != 1 {
		m.constant(r, nil)
	}
	if n := r.u32(); int64(n) > int64(r.left()) {
		r.malformed(start, "a data segment of %d bytes in %d", n, r.left())
	} else {
		r.bytes(int(n))
	}
}
