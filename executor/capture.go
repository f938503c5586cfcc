package executor

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

const (
	// markerFormat is the line between head and tail.
	markerFormat = "\n[sidegate: %d bytes left out]\n"
	// markerRoom holds the longest marker.
	markerRoom = len(markerFormat) - len("%d") + len("9223372036854775807")
	// firstGrowth is the smallest buffer, in bytes; most output is short.
	firstGrowth = 512
)

// way is how many bytes of the head, and as many of the tail, make way for the marker, so that what is shown is no longer than the limit. Where the
// limit is so small that little else would be left, none do, and the marker comes on top.
func way(limit int) int {
	if limit < 8*markerRoom {
		return 0
	}
	return (markerRoom + 1) / 2
}

// capture keeps the head and the tail of a stream in one buffer: up to limit bytes it simply fills; what comes later overwrites the second half
// as a ring. It is not safe for concurrent use.
type capture struct {
	limit int
	buf   []byte // at most limit bytes, with room for the marker once it is full
	next  int    // where in the tail the oldest byte is, once buf is full
	total int64  // bytes written
}

// tail is the part of a full buffer that is used as a ring.
func (c *capture) tail() []byte { return c.buf[c.limit-c.limit/2 : c.limit] }

func (c *capture) write(p []byte) {
	c.total += int64(len(p))
	if room := c.limit - len(c.buf); room > 0 {
		n := min(room, len(p))
		c.grow(n)
		c.buf = append(c.buf, p[:n]...)
		p = p[n:]
	}
	if len(p) == 0 {
		return
	}
	tail := c.tail()
	if len(tail) == 0 {
		return
	}
	if len(p) >= len(tail) {
		copy(tail, p[len(p)-len(tail):])
		c.next = 0
		return
	}
	copy(tail, p[copy(tail[c.next:], p):])
	c.next = (c.next + len(p)) % len(tail)
}

// grow makes room for n more bytes by doubling, but to no more than the limit and the marker.
func (c *capture) grow(n int) {
	need := len(c.buf) + n
	if need <= cap(c.buf) {
		return
	}
	size := max(2*cap(c.buf), need, firstGrowth)
	if size >= c.limit {
		size = c.limit + markerRoom
	}
	bigger := make([]byte, len(c.buf), size)
	copy(bigger, c.buf)
	c.buf = bigger
}

// bytes returns what is to be shown of the stream, and whether that is less than all of it. Where text was cut in the middle of a character, the rest of
// that character is left out too. The capture cannot be used afterwards.
func (c *capture) bytes() (shown []byte, truncated bool) {
	if c.total <= int64(c.limit) {
		return c.buf, false
	}
	tail := c.tail()
	rotate(tail, c.next)
	from, to := c.limit-len(tail)-way(c.limit), c.limit-len(tail)+way(c.limit)
	from -= brokenEnd(c.buf[:from])
	to += brokenStart(c.buf[to:])
	marker := fmt.Appendf(nil, markerFormat, c.total-int64(c.limit)+int64(to-from))
	return slices.Replace(c.buf, from, to, marker...), true // in place: grow left room
}

// brokenEnd returns how many bytes at the end of b begin a UTF-8 character that does not end there.
func brokenEnd(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

// brokenStart returns how many bytes at the start of b end a UTF-8 character that does not begin there. More than such a character can have are not
// text, and stay.
func brokenStart(b []byte) int {
	for n := range min(utf8.UTFMax, len(b)) {
		if utf8.RuneStart(b[n]) {
			return n
		}
	}
	return 0
}

// rotate moves b[n:] to the front.
func rotate(b []byte, n int) {
	slices.Reverse(b[:n])
	slices.Reverse(b[n:])
	slices.Reverse(b)
}

// from returns bytes that are kept: as many as lie together from the offset on or, where those are not kept, from the next one that is; and the offset
// of the first. They are valid until the next write.
func (c *capture) from(offset int64) (kept []byte, at int64) {
	if c.total <= int64(len(c.buf)) {
		at = min(offset, c.total)
		return c.buf[at:], at
	}
	tail := c.tail()
	if head := int64(c.limit - len(tail)); offset < head {
		return c.buf[offset:head], offset
	}
	at = min(max(offset, c.total-int64(len(tail))), c.total)
	back := int(c.total - at) // counted from the end, which is at next
	if back <= c.next {
		return tail[c.next-back : c.next], at
	}
	return tail[len(tail)+c.next-back:], at
}
