package meter

import (
	"fmt"
	"unicode/utf8"
)

// A reader decodes part of a module. The first failure sticks: it is kept in err, the rest
// of the input is skipped, and every later read returns zero, so callers check err once.
// Offsets are those of the whole module.
type reader struct {
	b        []byte // the whole module
	p, end   int    // b[p:end] is left to read
	section  string
	function int
	err      *Error
}

func (r *reader) failAt(offset int, kind error, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Kind: kind, Offset: offset, Section: r.section, Function: r.function, Reason: fmt.Sprintf(format, args...)}
	}
	r.p = r.end
}

func (r *reader) malformed(offset int, format string, args ...any) {
	r.failAt(offset, ErrMalformed, format, args...)
}

func (r *reader) left() int { return r.end - r.p }

func (r *reader) byte() byte {
	if r.p >= r.end {
		r.malformed(r.p, "unexpected end")
		return 0
	}
	c := r.b[r.p]
	r.p++
	return c
}

func (r *reader) bytes(n int) []byte {
	if n > r.left() {
		r.malformed(r.p, "unexpected end: %d bytes wanted, %d left", n, r.left())
		return nil
	}
	v := r.b[r.p : r.p+n]
	r.p += n
	return v
}

// u32 reads an unsigned LEB128 integer of 32 bits (core specification 2.0, 5.2.2).
func (r *reader) u32() uint32 {
	if r.p < r.end {
		if c := r.b[r.p]; c < 0x80 {
			r.p++
			return uint32(c)
		}
	}
	start := r.p
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if v > 1<<32-1 {
				r.malformed(start, "integer too large")
				return 0
			}
			return uint32(v)
		}
	}
	r.malformed(start, "integer representation too long")
	return 0
}

// signed reads a signed LEB128 integer of 32, 33 or 64 bits.
func (r *reader) signed(bits int) int64 {
	if r.p < r.end {
		if c := r.b[r.p]; c < 0x80 {
			r.p++
			return int64(c) << 57 >> 57
		}
	}
	start := r.p
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if c >= 0x80 {
			continue
		}
		if left := bits - shift; left < 7 {
			// The bits of the last byte beyond the integer must repeat its sign.
			if extra := int8(c<<1) >> left; extra != 0 && extra != -1 {
				r.malformed(start, "integer too large")
				return 0
			}
		}
		if shift+7 < 64 {
			v = v << (64 - shift - 7) >> (64 - shift - 7)
		}
		return v
	}
	r.malformed(start, "integer representation too long")
	return 0
}

// count reads the length of a vector whose items take at least one byte each, so that no
// caller reserves memory for more items than there are bytes.
func (r *reader) count(what string, most int) int {
	start := r.p
	n := r.u32()
	switch {
	case r.err != nil:
		return 0
	case int64(n) > int64(most):
		r.failAt(start, ErrLimit, "%d %s: at most %d are allowed", n, what, most)
		return 0
	case int64(n) > int64(r.left()):
		r.malformed(start, "%d %s in %d bytes", n, what, r.left())
		return 0
	}
	return int(n)
}

// name reads a vector of bytes that must be UTF-8 (core specification 2.0, 5.2.4).
func (r *reader) name() string {
	start := r.p
	n := r.u32()
	if int64(n) > int64(r.left()) {
		r.malformed(start, "a name of %d bytes in %d", n, r.left())
		return ""
	}
	b := r.bytes(int(n))
	if !utf8.Valid(b) {
		r.malformed(start, "malformed UTF-8 encoding")
		return ""
	}
	return string(b)
}
