package executor

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// What the gateway of the scene has opened for others to use, and what would outlive it.

// listen opens the gateway's sockets.
func (s *scene) listen() error {
	var err error
	s.Abstract = fmt.Sprintf("@executor-test-%d", s.Gateway.PID)
	s.Letters = s.Abstract + "-letters"
	if s.Port, err = listenTCP(); err != nil {
		return err
	}
	for _, l := range []struct {
		kind int
		name string
	}{
		{unix.SOCK_STREAM, s.Socket}, {unix.SOCK_STREAM, s.Hidden}, {unix.SOCK_STREAM, s.Abstract}, {unix.SOCK_DGRAM, s.Datagram}, {unix.SOCK_DGRAM, s.Letters},
	} {
		fd, err := unix.Socket(unix.AF_UNIX, l.kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrUnix{Name: l.name})
		}
		if err == nil && l.kind == unix.SOCK_STREAM {
			err = unix.Listen(fd, 128)
		}
		if err != nil {
			return fmt.Errorf("socket %s: %w", l.name, err)
		}
	}
	return nil
}

// listenTCP listens on the loopback interface, with a port that nobody else has.
func listenTCP() (port int, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 128)); err != nil {
		return 0, err
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return address.(*unix.SockaddrInet4).Port, nil
}

// openTerminal makes a pseudo-terminal, if the host has any.
func (s *scene) openTerminal() error {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // the control then says so
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	s.Terminal = "/dev/pts/" + strconv.Itoa(n)
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	return os.Chmod(s.Terminal, 0o666)
}

// share makes shared memory, message queues and semaphores.
func (s *scene) share() error {
	var err error
	if s.Segment, err = unix.SysvShmGet(unix.IPC_PRIVATE, os.Getpagesize(), unix.IPC_CREAT|0o666); err != nil {
		return err
	}
	if _, err = unix.SysvShmAttach(s.Segment, 0, 0); err != nil {
		return err
	}
	// It lives as long as this process, and can be attached until then.
	if _, err = unix.SysvShmCtl(s.Segment, unix.IPC_RMID, nil); err != nil {
		return err
	}
	messages, err := invoke(unix.SYS_MSGGET, unix.IPC_PRIVATE, unix.IPC_CREAT|0o666)
	if err != nil {
		return err
	}
	semaphores, err := invoke(unix.SYS_SEMGET, unix.IPC_PRIVATE, 1, unix.IPC_CREAT|0o666)
	if err != nil {
		return err
	}
	s.Messages, s.Semaphores = int(messages), int(semaphores)
	for _, name := range []string{s.queue(), s.spareQueue()} {
		if _, err = invoke(unix.SYS_MQ_OPEN, text(name), unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o666, 0); through(err, unix.ENOSYS) != nil {
			return err
		}
	}
	return nil
}

// close removes what would outlive the gateway.
func (s *scene) close() error {
	var errs []error
	for _, name := range []string{s.queue(), s.spareQueue()} {
		_, err := invoke(unix.SYS_MQ_UNLINK, text(name))
		errs = append(errs, through(err, unix.ENOSYS))
	}
	_, messagesErr := invoke(unix.SYS_MSGCTL, uintptr(s.Messages), unix.IPC_RMID, 0)
	_, semaphoresErr := invoke(unix.SYS_SEMCTL, uintptr(s.Semaphores), 0, unix.IPC_RMID, 0)
	return errors.Join(append(errs, messagesErr, semaphoresErr)...)
}
