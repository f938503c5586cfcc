package executor

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// What the narrow battery's job must be able to do.
var allowedTries = []try{
	{name: "read a file of a read root", allowed: true, do: func(s *scene) error { return read(s.in("readable/file")) }},
	{name: "list a read root", allowed: true, do: func(s *scene) error { return list(s.Readable) }},
	{name: "make a file in a write root", allowed: true, do: func(s *scene) error { return makeAndRemove(filepath.Join(s.Writable, "new")) }},
	{name: "make a file in its private directory", allowed: true, do: func(s *scene) error { return makeAndRemove(filepath.Join(s.own(), "new")) }},
	{name: "rename, link and truncate files of its own", allowed: true, do: func(s *scene) error { return withOwnFile(s, workOn) }},
	{name: "follow its own symbolic link", allowed: true, do: func(s *scene) error { return throughLink(s.Writable, s.in("readable/file"), os.ReadFile) }},
	{name: "write to /dev/null", allowed: true, do: func(*scene) error { return openAndClose(os.DevNull, os.O_RDWR) }},
	{name: "read a program of the system", allowed: true, do: func(*scene) error { return openAndClose(notListed(), os.O_RDONLY) }},
	{name: "read other files of a tree of the runtime set", allowed: true, do: func(s *scene) error { return read(s.in("runtime/etc/other")) }},
	{name: "read its own memory map", allowed: true, do: func(*scene) error { return readSome("/proc/self/maps") }},
	{name: "execute a program of its list", allowed: true, do: func(s *scene) error { return start(s.in(programPlain)) }},
	{name: "make a child", allowed: true, do: func(*scene) error { return inChild(raw(unix.SYS_GETPID)) }},
	{name: "make a pair of Unix sockets", allowed: true, do: func(*scene) error { return openPair(unix.AF_UNIX, unix.SOCK_STREAM, 0) }},
	{name: "signal its own child", allowed: true, do: signalChild},
	{name: "lower its own limits", allowed: true, do: func(*scene) error {
		return inChild(raw(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, address(&unix.Rlimit{Cur: 16, Max: 16}), 0))
	}},
}

// workOn does with a file what programs do.
func workOn(s *scene, own string) error {
	second := filepath.Join(s.Writable, "second")
	for _, step := range []error{unix.Chmod(own, 0o755), unix.Truncate(own, 1), unix.Link(own, second), unix.Rename(second, own), unix.Rename(own, second)} {
		if step != nil {
			return step
		}
	}
	return os.Remove(second)
}

func signalChild(*scene) error {
	pid, errno := forkRaw(cloning(0), []rawCall{raw(unix.SYS_RT_SIGSUSPEND, address(new(uint64)), 8)})
	if errno != 0 {
		return errno
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return err
	}
	_, err := unix.Wait4(pid, nil, 0, nil)
	return err
}
