package executor

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Files that are in no list, and files that may only be read.
var writeTries = []try{
	{name: "read a file outside", do: func(s *scene) error { return read(s.in("outside/file")) }},
	{name: "list a directory outside", do: func(s *scene) error { return list(s.Outside) }},
	{name: "list the root directory", do: func(*scene) error { return list("/") }},
	{name: "read a file of a home directory", do: func(*scene) error { return list("/root") }, excuse: needs(unix.CAP_DAC_OVERRIDE)},
	{name: "read /etc/shadow", do: func(*scene) error { return openAndClose("/etc/shadow", os.O_RDONLY) }, excuse: needs(unix.CAP_DAC_OVERRIDE)},
	{name: "write to a file that may be read", do: func(s *scene) error { return openAndClose(s.in("readable/file"), os.O_WRONLY) }},
	{name: "make a file in a read root", do: func(s *scene) error { return makeAndRemove(s.in("readable/new")) }},
	{name: "make a file outside", do: func(s *scene) error { return makeAndRemove(s.in("outside/new")) }},
	{name: "make a file by the path of the working directory", do: func(*scene) error { return makeAndRemove("new") }},
	{name: "make a file through /proc/self/cwd", do: func(*scene) error { return makeAndRemove("/proc/self/cwd/new") }},
	{name: "make a file through /proc/self/root", do: func(s *scene) error { return makeAndRemove("/proc/self/root" + s.in("outside/new")) }},
	{name: "write to a file outside", do: func(s *scene) error { return openAndClose(s.in("outside/file"), os.O_WRONLY) }},
	{name: "truncate a file outside by its path", do: func(s *scene) error { return unix.Truncate(s.in("outside/file"), int64(len(fileText))) }, hardening: hardeningTruncate},
	{name: "truncate a file that may be read while opening it for reading", do: truncateReadable, hardening: hardeningTruncate},
	{name: "remove a file outside", do: func(s *scene) error { return removeAndBack(s.in("outside/file")) }},
	{name: "write outside through a symbolic link", do: func(s *scene) error {
		return throughLink(s.Writable, s.in("outside/file"), func(link string) ([]byte, error) { return nil, openAndClose(link, os.O_WRONLY) })
	}},
	{name: "make a file outside through a link to a directory", do: func(s *scene) error {
		return throughLink(s.Writable, s.Outside, func(link string) ([]byte, error) { return nil, makeAndRemove(filepath.Join(link, "new")) })
	}},
	{name: "make a file outside through a dangling link", do: func(s *scene) error {
		return throughLink(s.Writable, s.in("outside/new"), func(link string) ([]byte, error) {
			if err := openAndClose(link, os.O_WRONLY|os.O_CREATE); err != nil {
				return nil, err
			}
			return nil, os.Remove(s.in("outside/new"))
		})
	}},
	{name: "link a file outside into a writable root", do: func(s *scene) error { return throughHardLink(s.Writable, s.in("outside/file")) }},
	{name: "link a file that may be read into a writable root", do: func(s *scene) error { return throughHardLink(s.Writable, s.in("readable/file")) }},
	{name: "link a file of its own to outside", do: func(s *scene) error { return withOwnFile(s, linkOut) }},
	{name: "open a file for writing by the name of a descriptor", do: reopenReadable},
	{name: "open a file outside by the name of a descriptor", do: reopenOutside},
	{name: "rename a file outside into a writable root", do: func(s *scene) error { return renameAndBack(s.in("outside/file"), filepath.Join(s.Writable, "moved")) }},
	{name: "rename a file of its own to outside", do: func(s *scene) error {
		return withOwnFile(s, func(s *scene, own string) error { return renameAndBack(own, s.in("outside/moved")) })
	}},
	{name: "exchange a file of its own with one outside", do: func(s *scene) error {
		return exchangeAndBack(s.in("outside/file"), filepath.Join(s.Writable, "planted"))
	}},
	{name: "exchange a directory of its own with one outside", do: exchangeDirectories},
	{name: "give a file without a name one outside", do: nameOutside},
	{name: "make a directory outside", do: func(s *scene) error { return makeRemove(unix.Mkdir(s.in("outside/new"), 0o777), s.in("outside/new")) }},
	{name: "remove a directory outside", do: func(s *scene) error { return through(unix.Rmdir(s.in("outside/directory")), unix.ENOTEMPTY) }},
	{name: "make a pipe outside", do: func(s *scene) error { return makeRemove(unix.Mkfifo(s.in("outside/new"), 0o666), s.in("outside/new")) }},
	{name: "make a symbolic link outside", do: func(s *scene) error { return makeRemove(os.Symlink("file", s.in("outside/new")), s.in("outside/new")) }},
	{name: "make a socket outside", do: func(s *scene) error { return makeRemove(bindAt(s.in("outside/new")), s.in("outside/new")) }},
	{name: "make a device in a directory of its own", do: func(s *scene) error { return makeDevice(filepath.Join(s.own(), "new")) }, excuse: needs(unix.CAP_MKNOD)},
	{name: "make a set-user-ID file of its own (chmod)", do: func(s *scene) error {
		return withOwnFile(s, func(_ *scene, own string) error { return unix.Chmod(own, 0o4755) })
	}},
	{name: "make a set-user-ID file of its own (open)", do: func(s *scene) error { return makeSetuid(s, unix.SYS_OPENAT) }},
	{name: "make a set-user-ID file of its own (openat2)", do: func(s *scene) error { return makeSetuid(s, unix.SYS_OPENAT2) }},
	{name: "make a set-user-ID file of its own (fchmodat2)", do: func(s *scene) error {
		return withOwnFile(s, func(_ *scene, own string) error {
			_, err := invoke(unix.SYS_FCHMODAT2, cwd, text(own), 0o4755, 0)
			return err
		})
	}},
	{name: "make a set-group-ID file of its own (fchmod)", do: func(s *scene) error {
		return withOwnFile(s, func(_ *scene, own string) error {
			f, err := os.Open(own)
			if err != nil {
				return err
			}
			defer f.Close()
			return unix.Fchmod(int(f.Fd()), 0o2755)
		})
	}},
	{name: "make a set-user-ID file of its own (mknod)", do: func(s *scene) error { return makeSetuid(s, unix.SYS_MKNODAT) }},
	{name: "make a file of the gateway's set-user-ID", do: func(s *scene) error { return toggleSetuid(s.in("outside/file")) }, excuse: ofOther},
}

func makeRemove(err error, path string) error {
	if err != nil {
		return err
	}
	return os.Remove(path)
}

// withOwnFile makes a file that the command may make, and removes it.
func withOwnFile(s *scene, use func(*scene, string) error) error {
	own := filepath.Join(s.Writable, "own")
	if err := os.WriteFile(own, []byte(fileText), 0o666); err != nil {
		return err
	}
	defer os.Remove(own)
	return use(s, own)
}

func linkOut(s *scene, own string) error {
	return makeRemove(unix.Link(own, s.in("outside/new")), s.in("outside/new"))
}

// truncateReadable asks for the truncation of a file without asking for the right to write: the system call allows it.
func truncateReadable(s *scene) error {
	fd, err := unix.Open(s.in("readable/file"), unix.O_RDONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	unix.Close(fd)
	return os.WriteFile(s.in("readable/file"), []byte(fileText), 0o666)
}

func reopenReadable(s *scene) error {
	f, err := os.Open(s.in("readable/file"))
	if err != nil {
		return err
	}
	defer f.Close()
	return openAndClose(descriptorPath(f), os.O_WRONLY)
}

func reopenOutside(s *scene) error {
	f, err := os.OpenFile(s.in("outside/file"), unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return openAndClose(descriptorPath(f), os.O_WRONLY)
}

func exchangeDirectories(s *scene) error {
	own := filepath.Join(s.Writable, "planted")
	if err := os.Mkdir(own, 0o777); err != nil {
		return err
	}
	defer os.Remove(own)
	out := s.in("outside/directory")
	err := unix.Renameat2(unix.AT_FDCWD, own, unix.AT_FDCWD, out, unix.RENAME_EXCHANGE)
	if err == nil {
		err = unix.Renameat2(unix.AT_FDCWD, own, unix.AT_FDCWD, out, unix.RENAME_EXCHANGE)
	}
	return err
}

func nameOutside(s *scene) error {
	fd, err := unix.Open(s.Writable, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	out := s.in("outside/new")
	return makeRemove(unix.Linkat(unix.AT_FDCWD, descriptorPath(f), unix.AT_FDCWD, out, unix.AT_SYMLINK_FOLLOW), out)
}

// bindAt makes a socket by binding it.
func bindAt(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrUnix{Name: path})
}

func makeDevice(path string) error {
	null := int(unix.Mkdev(1, 3))
	return makeRemove(unix.Mknod(path, unix.S_IFCHR|0o666, null), path)
}

// makeSetuid makes a set-user-ID file with one call. Whoever else is on the host could become the command's user by it.
func makeSetuid(s *scene, nr uintptr) error {
	const mode = 0o4755
	path := filepath.Join(s.Writable, "set-user-id")
	defer os.Remove(path)
	var fd uintptr
	var err error
	switch nr {
	case unix.SYS_OPENAT:
		fd, err = invoke(nr, cwd, text(path), unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, mode)
	case unix.SYS_OPENAT2:
		how := &unix.OpenHow{Flags: unix.O_WRONLY | unix.O_CREAT | unix.O_CLOEXEC, Mode: mode}
		fd, err = invoke(nr, cwd, text(path), address(how), unix.SizeofOpenHow)
	case unix.SYS_MKNODAT:
		_, err = invoke(nr, cwd, text(path), unix.S_IFREG|mode, 0)
	}
	if err != nil {
		return err
	}
	if fd != 0 {
		unix.Close(int(fd))
	}
	info, err := os.Stat(path)
	if err == nil && info.Mode()&os.ModeSetuid == 0 {
		err = errors.New("the bit is not set")
	}
	return err
}

func toggleSetuid(path string) error {
	if err := unix.Chmod(path, 0o4755); err != nil {
		return err
	}
	return unix.Chmod(path, 0o666)
}
