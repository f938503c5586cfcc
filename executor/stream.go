package executor

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	scratchSize = 128 << 10
	// pipeSize is what the pipe of a stream that proves long is enlarged to, in bytes. Unprivileged users may not have many of these.
	pipeSize = 1 << 20
	// turn is how many buffers are read of one stream before the others have theirs.
	turn = 8
	// maxLulls is how often in a row a long stream may pause for a lull before what was read of it is written: so that what follows lags 16 ms
	// behind at most.
	maxLulls = 16
)

// scratch holds the buffers that output is copied through. A stream holds one only while it copies, not while it waits.
var scratch = sync.Pool{New: func() any { return new([scratchSize]byte) }}

// stream reads one output of a command to its end, whatever the command prints, and has kept of it what is to be kept. One goroutine uses it.
type stream struct {
	kept  *recording
	near  int      // the read end of the pipe, -1 when it is closed
	far   *os.File // the write end; closed once the child has it
	long  bool
	ended bool // there is no more to read

	// What was read of a long stream and is not written yet: a file takes a few large writes in less time than many small ones.
	batch *[scratchSize]byte // nil when there is nothing
	size  int                // of what is in it
	lulls int
}

func newStream(name string, kept *recording, open pipeMode) (*stream, error) {
	read, write, err := open.pipe()
	if err != nil {
		return nil, err
	}
	// The read end alone is made non-blocking; commands do not expect that of their output.
	if _, err := unix.FcntlInt(uintptr(read), unix.F_SETFL, unix.O_NONBLOCK); err != nil {
		unix.Close(read)
		unix.Close(write)
		return nil, os.NewSyscallError("fcntl pipe", err)
	}
	return &stream{kept: kept, near: read, far: os.NewFile(uintptr(write), name)}, nil
}

// read keeps what the pipe holds now, a turn of it at most.
func (s *stream) read() {
	for range turn {
		if !s.readOnce() {
			return
		}
	}
}

// readOnce answers false when there is nothing more to read, for the moment or for ever.
func (s *stream) readOnce() bool {
	if s.batch == nil {
		s.batch = scratch.Get().(*[scratchSize]byte)
	}
	n, err := unix.Read(s.near, s.batch[s.size:])
	switch {
	case errors.Is(err, unix.EINTR):
		return true
	case errors.Is(err, unix.EAGAIN) && s.size > 0 && s.lulls < maxLulls:
		s.lulls++
		return false
	case errors.Is(err, unix.EAGAIN):
		s.write()
		return false
	case err != nil || n == 0:
		s.end()
		return false
	}
	if s.size += n; !s.long || s.size == scratchSize {
		s.write()
	}
	return true
}

// pauses tells whether something was read and awaits more, for a lull.
func (s *stream) pauses() bool { return s.size > 0 }

// write keeps what was read, and gives the buffer back.
func (s *stream) write() {
	if s.size > 0 {
		s.kept.write(s.batch[:s.size])
	}
	if s.batch != nil {
		scratch.Put(s.batch)
	}
	s.batch, s.size, s.lulls = nil, 0, 0
	if !s.long && s.kept.total >= inMemory {
		s.enlarge()
	}
}

// enlarge makes the pipe of a long stream bigger. Only speed depends on it, so a refusal (a user's soft limit on pipe pages) is fine.
func (s *stream) enlarge() {
	s.long = true
	_, _ = unix.FcntlInt(uintptr(s.near), unix.F_SETPIPE_SZ, pipeSize)
}

// end is the end of the stream, or of our patience with somebody who still holds the pipe.
func (s *stream) end() {
	if !s.ended {
		s.write()
		s.ended = true
		s.kept.end()
	}
}

func (s *stream) closeFar() { s.far.Close() }

// close closes the pipe, and gives up the hold of what was kept.
func (s *stream) close() {
	s.end()
	s.kept.release()
	unix.Close(s.near)
	s.far.Close()
}
