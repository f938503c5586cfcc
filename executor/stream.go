package executor

import (
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	scratchSize = 128 << 10
	// pipeSize is what the pipe of a stream that proves long is enlarged to, in bytes. Unprivileged users may not have many of these.
	pipeSize = 1 << 20
)

// scratch holds the buffers between pipe and capture. A stream holds one only while it copies, not while it waits.
var scratch = sync.Pool{New: func() any { return new([scratchSize]byte) }}

// stream reads one output of a command to its end, whatever the command prints, and keeps what its capture keeps.
type stream struct {
	captured capture
	pipe     *os.File // the read end
	far      *os.File // the write end; closed once the child has it
	fd       int      // of pipe
	enlarged bool
}

func newStream(name string, limit int64) (*stream, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	s := &stream{captured: capture{limit: int(limit)}, fd: fds[0]}
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

// readSome copies what the pipe holds now, up to a buffer. Not ready means there is nothing to read yet.
func (s *stream) readSome() (ready, ended bool) {
	buf := scratch.Get().(*[scratchSize]byte)
	defer scratch.Put(buf)
	n, err := unix.Read(s.fd, buf[:])
	switch {
	case errors.Is(err, unix.EAGAIN):
		return false, false
	case errors.Is(err, unix.EINTR):
		return true, false
	case err != nil || n == 0:
		return true, true
	}
	s.captured.write(buf[:n])
	s.enlarge()
	return true, false
}

// enlarge makes the pipe of a long stream bigger. Only speed depends on it, so a refusal (a user's soft limit on pipe pages) is fine.
func (s *stream) enlarge() {
	if !s.enlarged && s.captured.total >= scratchSize {
		s.enlarged = true
		_, _ = unix.FcntlInt(uintptr(s.fd), unix.F_SETPIPE_SZ, pipeSize)
	}
}

// giveUp makes drain return although somebody still holds the pipe.
func (s *stream) giveUp() { _ = s.pipe.SetReadDeadline(time.Unix(1, 0)) }

func (s *stream) closeFar() { s.far.Close() }

func (s *stream) close() {
	s.pipe.Close()
	s.far.Close()
}
