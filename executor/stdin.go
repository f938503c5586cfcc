package executor

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// feed gives a command what it reads, through a pipe: at the pace of the command, and to whatever it starts as well. One goroutine uses it.
type feed struct {
	near *os.File // what the command reads; closed once the child has it
	far  int      // the write end, -1 when there is nothing more to write
	rest []byte
}

// newFeed opens what a command reads. Where that is nothing it is /dev/null.
func newFeed(text []byte, open pipeMode) (*feed, error) {
	if len(text) == 0 {
		null, err := openNull()
		return &feed{near: null, far: -1}, err
	}
	read, write, err := open.pipe()
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(write, true); err != nil {
		unix.Close(read)
		unix.Close(write)
		return nil, os.NewSyscallError("fcntl pipe", err)
	}
	return &feed{near: os.NewFile(uintptr(read), "stdin"), far: write, rest: text}, nil
}

// openNull opens /dev/null without asking whether it can be waited for, which os.Open does with four system calls more.
func openNull() (*os.File, error) {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	return os.NewFile(uintptr(fd), os.DevNull), nil
}

// write writes what the pipe takes, and closes it after the last byte, or when nobody reads any more.
func (f *feed) write() {
	for len(f.rest) > 0 {
		n, err := unix.Write(f.far, f.rest)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil: // EPIPE: the command has not read all of it, as is its right
			f.rest = nil
			continue
		}
		f.rest = f.rest[n:]
	}
	f.closeFar()
}

func (f *feed) closeFar() {
	if f.far >= 0 {
		unix.Close(f.far)
		f.far = -1
	}
}

func (f *feed) close() {
	f.near.Close()
	f.closeFar()
}

// pipeMode says for whom pipes are made.
type pipeMode struct{ otherUser bool }

// pipe makes a pipe. A command of another user could not open it again by /dev/stdin, /dev/stdout or /dev/stderr, as scripts do: those lead to the pipe
// itself, which belongs to the gateway. So everybody may who can look at the descriptors of the command, and only its own user can.
func (m pipeMode) pipe() (read, write int, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, os.NewSyscallError("pipe2", err)
	}
	if m.otherUser {
		if err := unix.Fchmod(fds[0], 0o666); err != nil {
			unix.Close(fds[0])
			unix.Close(fds[1])
			return -1, -1, os.NewSyscallError("fchmod pipe", err)
		}
	}
	return fds[0], fds[1], nil
}
