package field

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// A place is what one reading of a document finds out about a path. Offsets
// that are absent are 0, which none of them can be: a document that has a
// member or an element begins with a bracket.
type place struct {
	found      bool
	start, end int // the value, if it was found
	member     int // where its name begins, or the value itself in an array
	before     int // the comma before it
	after      int // the comma behind it

	insert int  // where a missing member or "-" would be written
	object bool // in an object, and not an array
	empty  bool // that has no members yet

	depth   int // how many arrays and objects the field is in
	deepest int // how many were open at once, at most
}

// A scanner reads a document once, from its beginning to its end, and checks
// all of it.
//
// The names of the open objects, as hashes, are passed down and not kept here,
// so that room for them can be on the stack.
type scanner struct {
	doc []byte
	pos int
	at  place
}

func find(doc []byte, path string) (place, error) {
	if !validPath(path) {
		return place{}, ErrPath
	}
	var room [128]uint64
	s := scanner{doc: doc}
	s.space()
	ok := s.value(path, true, 0, room[:0])
	s.space()
	if !ok || s.pos != len(doc) {
		return place{}, ErrJSON
	}
	return s.at, nil
}

// value reads one value. If it is on the path, path is what is left of it.
func (s *scanner) value(path string, on bool, depth int, names []uint64) bool {
	if s.pos == len(s.doc) {
		return false
	}
	start := s.pos
	if !s.anyValue(path, on && path != "", depth, names) {
		return false
	}
	if on && path == "" {
		s.at.found, s.at.start, s.at.end, s.at.depth = true, start, s.pos, depth
	}
	return true
}

func (s *scanner) anyValue(path string, on bool, depth int, names []uint64) bool {
	switch c := s.doc[s.pos]; c {
	case '{', '[':
		depth++
		s.at.deepest = max(s.at.deepest, depth)
		if depth > MaxDepth {
			return false
		}
		if c == '{' {
			return s.object(path, on, depth, names)
		}
		return s.array(path, on, depth, names)
	case '"':
		_, ok := s.string()
		return ok
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

func (s *scanner) object(path string, on bool, depth int, names []uint64) bool {
	var token, rest string
	if on {
		token, rest = cutToken(path)
	}
	base, comma := len(names), 0
	s.pos++
	for s.space(); !s.take('}'); s.space() {
		if len(names) > base {
			comma = s.pos
			if !s.take(',') {
				return false
			}
			s.space()
		}
		start := s.pos
		name, ok := s.string()
		if !ok {
			return false
		}
		names = append(names, hashName(name))
		s.space()
		if !s.take(':') {
			return false
		}
		s.space()
		here := on && named(name, token)
		if !s.value(rest, here, depth, names) {
			return false
		}
		if here && rest == "" {
			s.remember(start, comma)
		}
	}
	if on && rest == "" && !s.at.found {
		s.missing(true, len(names) == base, depth)
	}
	return distinct(names[base:])
}

func (s *scanner) array(path string, on bool, depth int, names []uint64) bool {
	var token, rest string
	if on {
		token, rest = cutToken(path)
	}
	want, comma, n := index(token), 0, 0
	s.pos++
	for s.space(); !s.take(']'); s.space() {
		if n > 0 {
			comma = s.pos
			if !s.take(',') {
				return false
			}
			s.space()
		}
		start := s.pos
		here := on && n == want
		if !s.value(rest, here, depth, names) {
			return false
		}
		if here && rest == "" {
			s.remember(start, comma)
		}
		n++
	}
	if on && rest == "" && token == "-" {
		s.missing(false, n == 0, depth)
	}
	return true
}

// remember notes what is around the field, which ends here.
func (s *scanner) remember(member, comma int) {
	s.at.member, s.at.before = member, comma
	s.space()
	if s.pos < len(s.doc) && s.doc[s.pos] == ',' {
		s.at.after = s.pos
	}
}

// missing notes that the field could be added before the bracket that was read
// last.
func (s *scanner) missing(object, empty bool, depth int) {
	s.at.insert, s.at.object, s.at.empty, s.at.depth = s.pos-1, object, empty, depth
}

func (s *scanner) space() {
	for s.pos < len(s.doc) {
		switch s.doc[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	if s.pos == len(s.doc) || s.doc[s.pos] != c {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) literal(word string) bool {
	if len(s.doc)-s.pos < len(word) || string(s.doc[s.pos:s.pos+len(word)]) != word {
		return false
	}
	s.pos += len(word)
	return true
}

func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return true
}

// digits reads one digit or more.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.doc) && '0' <= s.doc[s.pos] && s.doc[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// string reads a string and returns what is between its quotes, as it stands.
func (s *scanner) string() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	start := s.pos
	for {
		s.plain()
		if s.pos == len(s.doc) {
			return nil, false
		}
		switch c := s.doc[s.pos]; {
		case c == '"':
			s.pos++
			return s.doc[start : s.pos-1], true
		case c == '\\':
			if !s.escape() {
				return nil, false
			}
		case c < ' ':
			return nil, false
		case c < utf8.RuneSelf:
			s.pos++
		default:
			r, n := utf8.DecodeRune(s.doc[s.pos:])
			if r == utf8.RuneError && n == 1 {
				return nil, false
			}
			s.pos += n
		}
	}
}

// plain skips eight bytes at a time, as long as all of them are ASCII and none
// is a quote, a backslash or a control character.
func (s *scanner) plain() {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for len(s.doc)-s.pos >= 8 {
		w := binary.LittleEndian.Uint64(s.doc[s.pos:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		// The top bit of a byte is set if the byte is 0 before the subtraction,
		// or below a space; a borrow can only add to what is looked at closely.
		if (w|(w-ones*' ')|(quote-ones)|(slash-ones))&tops != 0 {
			return
		}
		s.pos += 8
	}
}

// escape reads a backslash and what it escapes, two of them for a pair of
// surrogates.
func (s *scanner) escape() bool {
	rest := s.doc[s.pos:]
	if len(rest) < 2 {
		return false
	}
	switch rest[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return true
	case 'u':
		r, ok := hex4(rest[2:])
		if !ok {
			return false
		}
		if !utf16.IsSurrogate(r) {
			s.pos += 6
			return true
		}
		if len(rest) < 12 || rest[6] != '\\' || rest[7] != 'u' {
			return false
		}
		low, ok := hex4(rest[8:])
		s.pos += 12
		return ok && utf16.DecodeRune(r, low) != utf8.RuneError
	}
	return false
}
