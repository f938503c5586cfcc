package gateway

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/sidegate/sidegate/executor"
)

// outputEvent is a piece of an output. One that is no text comes as base64; what the follower was too late for is counted.
type outputEvent struct {
	Offset  int64  `json:"offset"` // of the first byte, from the start of the stream
	Text    string `json:"text,omitempty"`
	Base64  string `json:"base64,omitempty"`
	Skipped int64  `json:"skipped,omitempty"` // bytes before Offset that are not kept any more
}

// followSize is how many bytes an event holds at most.
const followSize = 32 << 10

// source is an output that is read from its start or from an offset on.
type source interface {
	Read(ctx context.Context, b []byte) (n int, skipped int64, err error)
	Offset() int64
}

var _ source = (*executor.Follower)(nil)

// pump sends an output as events until its end. The error is that of the caller's connection, of the context, or of reading.
func pump(ctx context.Context, to *eventStream, name string, from source) error {
	buf := make([]byte, followSize)
	held := 0 // bytes at the start of buf that begin a character
	for {
		n, skipped, err := from.Read(ctx, buf[held:])
		if skipped > 0 && held > 0 { // the rest of that character is lost
			if err := sendPiece(to, name, from.Offset()-int64(n)-skipped, 0, buf[:held]); err != nil {
				return err
			}
			copy(buf, buf[held:held+n])
			held = 0
		}
		all := buf[:held+n]
		ended := errors.Is(err, io.EOF)
		whole := len(all)
		if !ended {
			whole -= unfinished(all)
		}
		if whole > 0 || skipped > 0 {
			if err := sendPiece(to, name, from.Offset()-int64(len(all)-whole), skipped, all[:whole]); err != nil {
				return err
			}
		}
		held = copy(buf, all[whole:])
		switch {
		case ended:
			return nil
		case err != nil:
			return err
		}
	}
}

// sendPiece sends bytes that end at an offset. The event's ID is that offset: from there on a caller that was cut off goes on.
func sendPiece(to *eventStream, name string, end, skipped int64, b []byte) error {
	e := outputEvent{Offset: end - int64(len(b)), Skipped: skipped}
	if utf8.Valid(b) {
		e.Text = string(b)
	} else {
		e.Base64 = base64.StdEncoding.EncodeToString(b)
	}
	return to.send(name, strconv.FormatInt(end, 10), e)
}

// unfinished returns how many bytes at the end of b begin a character that is not whole.
func unfinished(b []byte) int {
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

// stored reads an output that does not change any more.
type stored struct {
	io.ReaderAt
	size, offset int64
}

var _ source = (*stored)(nil)

func (s *stored) Offset() int64 { return s.offset }

// Read implements source.
func (s *stored) Read(ctx context.Context, b []byte) (int, int64, error) {
	if ctx.Err() != nil {
		return 0, 0, context.Cause(ctx)
	}
	if s.offset >= s.size {
		return 0, 0, io.EOF
	}
	n, err := s.ReadAt(b[:min(int64(len(b)), s.size-s.offset)], s.offset)
	s.offset += int64(n)
	if n > 0 {
		err = nil // that of the end comes with the next call
	}
	return n, 0, err
}
