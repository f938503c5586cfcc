package meter

// codeSection rewrites the functions and appends recheck.
func (e *encoder) codeSection() error {
	defined := len(e.functions) - e.imported
	r := e.section[sectionCode]
	if r.section == "" {
		r = reader{section: sectionNames[sectionCode], function: -1}
	}
	n := 0
	if r.b != nil {
		start := r.p
		if n = r.count("functions", e.config.MaxFunctions); n != defined {
			r.malformed(start, "%d functions are declared, %d have code", defined, n)
		}
	} else if defined > 0 {
		r.malformed(0, "%d functions are declared, none has code", defined)
	}
	b := body{module: e.module}
	e.sectionOf(sectionCode, func() {
		e.to = appendUint(e.to, uint32(n+1))
		for i := 0; i < n && r.err == nil; i++ {
			e.codeItem(&b, &r, i)
		}
		e.to = e.appendRecheck(e.to)
	})
	return e.done(&r)
}

// codeItem rewrites one function.
func (e *encoder) codeItem(b *body, r *reader, i int) {
	r.function = e.imported + i
	start := r.p
	size := r.u32()
	switch {
	case r.err != nil:
		return
	case int64(size) > int64(r.left()):
		r.malformed(start, "a function of %d bytes: %d bytes left", size, r.left())
		return
	case int64(size) > int64(e.config.MaxBody):
		r.failAt(start, ErrLimit, "%d bytes: at most %d are allowed", size, e.config.MaxBody)
		return
	}
	f := *r
	f.end = r.p + int(size)
	b.rewrite(f, i, false)
	if b.quietLoop && b.r.err == nil {
		b.rewrite(f, i, true)
	}
	if b.r.err != nil {
		r.err = b.r.err
		return
	}
	r.p = f.end
	r.function = -1
	e.function(b, f)
}

// function writes a rewritten function: its locals and the meter's, the check, and the
// body, in a block if something must be done at the end.
func (e *encoder) function(b *body, f reader) {
	start := len(e.to)
	e.to = append(e.to, 0, 0, 0, 0, 0) // size
	runs := f.u32()
	from := f.p
	for range runs {
		f.u32()
		f.byte()
	}
	e.to = appendUint(e.to, runs+1)
	e.to = append(e.to, f.b[from:f.p]...)
	e.to = append(e.to, meterLocals, byte(I64))

	code := b.to
	b.to = e.to
	frame := b.frame.bytes(b.checks + 1)
	if b.frame.calls == 0 && frame <= leafFrame {
		frame = 0
	}
	b.enter(b.price, frame)
	wrapped := frame > 0 || b.cached
	if wrapped {
		b.to = append(b.to, opBlock)
		t := e.functions[e.imported+b.function]
		switch results := e.types[t].Results; len(results) {
		case 0:
			b.to = append(b.to, blockEmpty)
		case 1:
			b.to = append(b.to, byte(results[0]))
		default:
			b.to = appendInt(b.to, int64(e.wrapper[t]))
		}
	}
	b.to = append(b.to, code...)
	if wrapped {
		b.to = append(b.to, opEnd)
		b.leave(frame)
	}
	e.to = append(b.to, opEnd)
	b.to = code
	putPadded(e.to[start:], len(e.to)-start-paddedSize)
}
