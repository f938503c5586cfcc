package executor

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Unix sockets of processes outside, and other ways to talk to them.

var unixTries = []try{
	{name: "connect to a Unix socket by its path", do: func(s *scene) error { return connect(s.Socket) }, left: paths},
	{name: "send to a Unix socket by its path", do: func(s *scene) error { return sendTo(s.Datagram) }, left: paths},
	{name: "connect to a Unix socket in /dev/shm", do: func(s *scene) error { return connect(s.Hidden) },
		left: residue{why: "Unix sockets with a path, before Landlock ABI 9", in: []Profile{ProfileConfined}}},
	{name: "connect to an abstract Unix socket", do: func(s *scene) error { return connect(s.Abstract) }, hardening: featureAbstract},
	{name: "send to an abstract Unix socket", do: func(s *scene) error { return sendTo(s.Letters) }, hardening: featureAbstract},
	{name: "take an abstract name that others may look for", do: func(s *scene) error { return bindAt(s.Abstract + "-taken") },
		left: residue{why: "abstract names that are free", in: []Profile{ProfileConfined, ProfileIsolated}}},
}

func connect(name string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: name})
}

func sendTo(name string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return through(unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: name}), unix.EAGAIN) // its queue is full
}

var (
	sharedMemory = residue{why: "System V IPC that the command's user may use", in: []Profile{ProfileConfined}}
	ipc          = residue{why: "names of message queues that are free", in: []Profile{ProfileConfined}}
	paths        = residue{why: "Unix sockets with a path, before Landlock ABI 9", in: []Profile{ProfileConfined, ProfileIsolated}}
)

var ipcTries = []try{
	{name: "attach shared memory of the gateway (System V)", do: attachSegment, left: sharedMemory},
	{name: "open a message queue of the gateway", do: openQueue},
	{name: "make a message queue that others may look for", do: makeQueue, left: ipc},
	{name: "make a file in /dev/shm", do: func(*scene) error { return makeAndRemove("/dev/shm/executor-test-escape") }},
}

func attachSegment(s *scene) error {
	data, err := unix.SysvShmAttach(s.Segment, 0, 0)
	if err != nil {
		return err
	}
	return unix.SysvShmDetach(data)
}

// POSIX message queues have a file system of their own, that no path leads to.

func (s *scene) queue() string { return fmt.Sprintf("sidegate-test-%d", s.Gateway.PID) }

func openQueue(s *scene) error {
	fd, err := invoke(unix.SYS_MQ_OPEN, text(s.queue()), unix.O_RDWR|unix.O_CLOEXEC, 0, 0)
	if err == nil {
		unix.Close(int(fd))
	}
	return err
}

// makeQueue makes one, and finds that it is there if it can be removed: to open it may be refused after it was made.
func makeQueue(s *scene) error {
	if own, err := os.Readlink("/proc/self/ns/ipc"); err == nil && own != s.IPC {
		return errors.New("it has a namespace of its own")
	}
	name := text(s.queue() + "-new")
	fd, err := invoke(unix.SYS_MQ_OPEN, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600, 0)
	if err == nil {
		unix.Close(int(fd))
	}
	_, removeErr := invoke(unix.SYS_MQ_UNLINK, name)
	if removeErr == nil {
		return nil
	}
	return errors.Join(err, removeErr)
}
