package executor

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	scratchSize = 128 << 10
	// pipeSize is what the pipe of a stream that proves long is enlarged to, in bytes. Unprivileged users may not have many of these.
	pipeSize = 1 << 20
	// lull is how many milliseconds a long stream may pause before what was read of it is written, and maxLulls how often in a row: so that what
	// follows lags 16 ms behind at most.
	lull     = 1
	maxLulls = 16
)

// scratch holds the buffers that output is copied through. A stream holds one only while it copies, not while it waits.
var scratch = sync.Pool{New: func() any { return new([scratchSize]byte) }}

// stream reads one output of a command to its end, whatever the command prints, and has kept of it what is to be kept.
type stream struct {
	kept *recording
	pipe *os.File // the read end
	far  *os.File // the write end; closed once the child has it
	fd   int      // of pipe
	long bool
}

func newStream(name string, kept *recording) (*stream, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	s := &stream{kept: kept, fd: fds[0]}
	// The read end alone is made non-blocking; commands do not expect that of their output.
	if err := unix.SetNonblock(s.fd, true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, os.NewSyscallError("fcntl pipe", err)
	}
	s.pipe = os.NewFile(uintptr(fds[0]), name)
	s.far = os.NewFile(uintptr(fds[1]), name)
	return s, nil
}

// drain reads until end of file or giveUp. It closes neither end.
func (s *stream) drain() {
	defer s.kept.end()
	conn, err := s.pipe.SyscallConn()
	if err != nil {
		return
	}
	for {
		ended := false
		err := conn.Read(func(uintptr) bool {
			var ready bool
			ready, ended = s.readSome()
			return ready
		})
		if err != nil || ended {
			return
		}
	}
}

// readSome keeps what the pipe holds now, up to a buffer. Not ready means there is nothing to read yet.
func (s *stream) readSome() (ready, ended bool) {
	buf := scratch.Get().(*[scratchSize]byte)
	defer scratch.Put(buf)
	n, err := s.gather(buf[:])
	if n > 0 {
		s.kept.write(buf[:n])
		if !s.long && s.kept.total >= inMemory {
			s.enlarge()
		}
	}
	if errors.Is(err, unix.EAGAIN) {
		return n > 0, false
	}
	return true, err != nil
}

// gather reads what the pipe holds now. A long stream it goes on reading as long as that flows, to fill the buffer: a file takes a few large writes in
// less time than many small ones.
func (s *stream) gather(buf []byte) (n int, err error) {
	for lulls := 0; n < len(buf); {
		m, err := unix.Read(s.fd, buf[n:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN) && n > 0 && lulls < maxLulls && s.goesOn():
			lulls++
			continue
		case err != nil:
			return n, err
		case m == 0:
			return n, io.EOF
		}
		if n += m; !s.long {
			return n, nil
		}
	}
	return n, nil
}

// goesOn waits for a moment whether there is more.
func (s *stream) goesOn() bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, lull)
	return n > 0 && err == nil
}

// enlarge makes the pipe of a long stream bigger. Only speed depends on it, so a refusal (a user's soft limit on pipe pages) is fine.
func (s *stream) enlarge() {
	s.long = true
	_, _ = unix.FcntlInt(uintptr(s.fd), unix.F_SETPIPE_SZ, pipeSize)
}

// giveUp makes drain return although somebody still holds the pipe.
func (s *stream) giveUp() { _ = s.pipe.SetReadDeadline(time.Unix(1, 0)) }

func (s *stream) closeFar() { s.far.Close() }

// close closes the pipe, and gives up the hold of what was kept.
func (s *stream) close() {
	s.kept.release()
	s.pipe.Close()
	s.far.Close()
}
