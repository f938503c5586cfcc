package guest

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxText is how much of one reason or log line of a guest is kept, in bytes.
const maxText = 1 << 10

// printable makes one line of what a guest wrote: valid UTF-8 of at most maxText bytes without
// control characters, line separators or characters that change the direction of text,
// which are shown as escapes. So a guest cannot forge a line of a log or move a cursor.
func printable(b []byte) string {
	out := make([]byte, 0, min(len(b), maxText))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		mark := len(out)
		switch {
		case strconv.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\t':
			out = append(out, `\t`...)
		case r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = fmt.Appendf(out, `\U%08x`, r)
		}
		const more = "…"
		if len(out) > maxText-len(more) && len(b) > 0 || len(out) > maxText {
			return string(append(out[:mark], more...))
		}
	}
	return string(out)
}
