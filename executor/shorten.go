package executor

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Shorten returns the head and the tail of an output, at most keep bytes together, in memory, with a line between them that says how much of written bytes is
// left out. An output that is no longer than keep is returned itself. Whoever holds the output goes on holding it.
func (o *Output) Shorten(keep int, written int64) (*Output, error) {
	if o.Len() <= int64(keep) {
		return o, nil
	}
	text := make([]byte, keep, keep+markerRoom)
	head, tail := text[:keep-keep/2], text[keep-keep/2:]
	_, err1 := o.ReadAt(head, 0)
	_, err2 := o.ReadAt(tail, o.size-int64(len(tail)))
	if err2 == io.EOF { // it may come with the last bytes
		err2 = nil
	}
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	from := len(head) - brokenEnd(head)
	to := len(head) + brokenStart(tail)
	marker := fmt.Appendf(nil, markerFormat, max(written, o.size)-int64(from)-int64(len(text)-to))
	text = slices.Replace(text, from, to, marker...)
	return &Output{text: text, size: int64(len(text)), cut: true}, nil
}
