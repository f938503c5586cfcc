package scrub

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"unicode/utf8"
)

// Mark stands for what was taken out.
const Mark = "[redacted]"

// ErrHold says that a stream is longer than the rules allow to hold.
var ErrHold = errors.New("the output is longer than may be held for a pattern without a longest match")

// A match is a range of the stream.
type match struct{ start, end int64 }

// A Scrubber passes a stream on to a writer, without the secrets. It is used by one
// goroutine, and once.
type Scrubber struct {
	rules *Rules
	out   io.Writer

	held  []byte  // what has not been passed on
	base  int64   // where that begins in the stream
	from  []int64 // for each rule, where its next match can begin at the earliest
	found []match // that have not been passed on, by their beginnings

	marked int64 // where the last range that was taken out ends; -1 before the first
	count  int
}

// New returns a scrubber that writes to out.
func New(rules *Rules, out io.Writer) *Scrubber {
	return &Scrubber{rules: rules, out: out, from: make([]int64, len(rules.rules)), marked: -1}
}

// Count returns how many marks have been written.
func (s *Scrubber) Count() int { return s.count }

// Write takes the next piece of the stream, of any length.
func (s *Scrubber) Write(p []byte) (int, error) {
	if s.rules.window == unbounded && len(p) > s.rules.Hold-len(s.held) {
		return 0, ErrHold
	}
	s.held = append(s.held, p...)
	// What is in the last window is searched again with the next piece, so that is put off until
	// it is less than half.
	if s.rules.window == unbounded || len(s.held) < 2*s.rules.window {
		return len(p), nil
	}
	return len(p), s.pass(false)
}

// Close passes on what is left. It does not close the writer.
func (s *Scrubber) Close() error { return s.pass(true) }

// pass finds the matches that nothing to come can change, and passes on what is before
// all matches that are still to be found.
func (s *Scrubber) pass(last bool) error {
	final := s.base + int64(len(s.held))
	for i := range s.rules.rules {
		if s.rules.window == unbounded {
			s.searchAll(&s.rules.rules[i])
			s.from[i] = final
			continue
		}
		s.search(i, last)
		final = min(final, s.from[i])
	}
	slices.SortFunc(s.found, func(a, b match) int { return cmp.Compare(a.start, b.start) })
	return s.emit(final)
}

// search finds the matches of one rule, in a stream that is not held as a whole. A
// match is certain when the window from its beginning on is there; so is that none
// begins at a place.
func (s *Scrubber) search(i int, last bool) {
	r := &s.rules.rules[i]
	certain := len(s.held) - s.rules.window + 1 // matches that begin before it are
	if last {
		certain = len(s.held)
	}
	from, known := int(s.from[i]-s.base), len(s.found)
	for from < certain {
		start, end := r.next(s.held, from)
		if start < 0 || start >= certain {
			from = max(from, s.boundary(certain))
			break
		}
		s.add(known, start, end)
		if from = end; r.literal != nil {
			from = start + 1
		}
	}
	s.from[i] = s.base + int64(from)
}

// searchAll finds the matches of one rule in a stream that is held as a whole.
func (s *Scrubber) searchAll(r *rule) {
	known := len(s.found)
	if r.expression != nil {
		for _, m := range r.expression.FindAllIndex(s.held, -1) {
			s.add(known, m[0], m[1])
		}
		return
	}
	for from := 0; ; {
		start, end := r.next(s.held, from)
		if start < 0 {
			return
		}
		s.add(known, start, end)
		from = start + 1
	}
}

// add notes a match at these places of what is held. One that touches the last of the same
// search makes that longer; those before known are of other searches.
func (s *Scrubber) add(known, start, end int) {
	m := match{s.base + int64(start), s.base + int64(end)}
	if n := len(s.found); n > known && m.start <= s.found[n-1].end {
		s.found[n-1].end = max(s.found[n-1].end, m.end)
		return
	}
	s.found = append(s.found, m)
}

// boundary returns the beginning of the character that the byte at is in. A search that
// began inside of a character would take its bytes for others.
func (s *Scrubber) boundary(at int) int {
	for back := 1; back < utf8.UTFMax && back <= at; back++ {
		if !utf8.RuneStart(s.held[at-back]) {
			continue
		}
		if _, n := utf8.DecodeRune(s.held[at-back:]); n > back {
			return at - back
		}
		break
	}
	return at
}

// emit passes on the stream up to the offset final.
func (s *Scrubber) emit(final int64) error {
	done := 0
	for _, m := range s.found {
		if m.start >= final {
			break
		}
		done++
		if m.start > s.marked {
			if err := s.text(m.start); err != nil {
				return err
			}
			if _, err := io.WriteString(s.out, Mark); err != nil {
				return err
			}
			s.count++
		}
		s.marked = max(s.marked, m.end)
	}
	if err := s.text(final); err != nil {
		return err
	}
	s.found = slices.Delete(s.found, 0, done)
	s.held = s.held[:copy(s.held, s.held[final-s.base:])]
	s.base = final
	return nil
}

// text writes the stream as it is, from what was taken out last to the offset end.
func (s *Scrubber) text(end int64) error {
	start := max(s.base, s.marked)
	if start >= end {
		return nil
	}
	_, err := s.out.Write(s.held[start-s.base : end-s.base])
	return err
}
