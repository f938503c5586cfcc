package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Stream names one of a command's two outputs.
type Stream int

// The streams of a command.
const (
	Stdout Stream = iota
	Stderr
)

// String returns the stream's name.
func (s Stream) String() string {
	switch s {
	case Stdout:
		return "stdout"
	case Stderr:
		return "stderr"
	}
	return fmt.Sprintf("Stream(%d)", int(s))
}

// Running is a job that was started, and that Wait ends.
type Running struct{ p *running }

// Wait reads the command's output, keeps its timeout, and returns when everything that it has started is gone. It has to be called, once and soon: until
// then the command is not bounded in time, and its output fills the pipes. A context that ends while the command runs ends the command, and
// Result.Status is StatusKilled.
func (r *Running) Wait(ctx context.Context) Result { return r.p.wait(ctx) }

// Follow begins to read a stream at an offset: 0 is the first byte that the command wrote. It may be called from any goroutine, before, during and after
// Wait; once everything that holds the output is closed, the Result too, it answers os.ErrClosed.
func (r *Running) Follow(s Stream, offset int64) (*Follower, error) {
	if offset < 0 {
		return nil, errors.New("executor: an offset is negative")
	}
	rec := r.p.streams[s].kept
	if !rec.hold() {
		return nil, fmt.Errorf("executor: following a job: %w", os.ErrClosed)
	}
	return &Follower{rec: rec, offset: offset}, nil
}

// Follower reads one stream of a job while the command writes to it, byte for byte as it was written. However slow it is, it neither holds the command up
// nor costs memory: it reads what is kept, up to Job.MaxOutput, and what was dropped or overwritten before it came there is left out and counted. It has
// to be closed, and is for one goroutine.
type Follower struct {
	rec    *recording
	offset int64
}

// Read waits until there is something at Offset or the context ends, and copies it to b, which is not empty. skipped is how many bytes before those in b
// are not kept any more; n may be 0 where it is not. At the end of the stream the error is io.EOF, and when the context ends, its cause.
func (f *Follower) Read(ctx context.Context, b []byte) (n int, skipped int64, err error) {
	n, at, err := f.rec.read(ctx, b, f.offset)
	skipped = at - f.offset
	f.offset = at + int64(n)
	return n, skipped, err
}

// Offset is that of the byte which Read returns or skips next.
func (f *Follower) Offset() int64 { return f.offset }

// Close ends the following. It has to be called once.
func (f *Follower) Close() { f.rec.release() }
