package executor

import (
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

var paths = residue{why: "Unix sockets with a path, before Landlock ABI 9", in: []Profile{ProfileConfined, ProfileIsolated}}
