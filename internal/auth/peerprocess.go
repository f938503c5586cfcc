package auth

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// A peerProcess is a process itself and not its number, which is another's once the process has ended. A nil one is unknown.
type peerProcess struct {
	pidfd *os.File // nil for a process that was gone already
}

// askProcess asks the kernel for the process at the other end of a Unix socket. SO_PEERPIDFD (Linux 6.5) answers with the one that connected, whoever has
// its number by now. An older kernel only has the number to be asked by, after the connection was accepted: a process that connected and ended before that could be
// taken for another that got its number in between, which takes as many new processes as there are numbers while one connection waits.
func askProcess(socket, pid int) *peerProcess {
	fd, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	if errors.Is(err, unix.ENOPROTOOPT) {
		if pid <= 0 {
			return nil
		}
		fd, err = unix.PidfdOpen(pid, 0)
	}
	switch {
	case err == nil:
		unix.CloseOnExec(fd) // what the kernel gives is so already; it costs little to be sure
		return &peerProcess{os.NewFile(uintptr(fd), "pidfd")}
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENODATA): // as kernels say that it is gone
		return &peerProcess{}
	}
	return nil
}

// gone tells whether the process has ended and been waited for. As long as it has not, its number is its own.
func (p *peerProcess) gone() bool {
	if p == nil {
		return false
	}
	if p.pidfd == nil {
		return true
	}
	gone := false
	raw, err := p.pidfd.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { gone = errors.Is(unix.PidfdSendSignal(int(fd), 0, nil, 0), unix.ESRCH) })
	}
	return gone || err != nil // the connection is closed, and nobody asks any more
}

func (p *peerProcess) close() error {
	if p == nil || p.pidfd == nil {
		return nil
	}
	return p.pidfd.Close()
}
