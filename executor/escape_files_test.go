package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The gateway's own files: the secret, the journal, the configuration. They are open to every user, so that file permissions do not help.

// listEverything makes of a job one whose decision lists everything, as a careless policy does.
func listEverything(g *escapeGateway, s *scene) (Job, error) {
	job, err := g.job(s)
	job.Filesystem = &Filesystem{Read: []string{"/", s.Top}, Write: []string{"/", s.Top, s.Outside}, Execute: []string{"/", s.Top}}
	job.Network = NetworkFull
	return job, err
}

// fileTries go for those files, whatever the lists are.
func fileTries(where string) []try {
	tries := []try{
		{name: "make a file in the state directory", do: func(s *scene) error { return makeAndRemove(filepath.Join(s.State, "new")) }},
		{name: "rename the journal", do: func(s *scene) error { return renameAndBack(s.Journal, s.Journal+"-moved") }},
		{name: "rename the state directory", do: func(s *scene) error { return renameAndBack(s.State, s.State+"-moved") }, excuse: ofOther},
		{name: "move the secret into a writable root", do: func(s *scene) error { return renameAndBack(s.Secret, filepath.Join(s.Writable, "moved")) }},
		{name: "put a file in the place of the configuration", do: func(s *scene) error { return exchangeAndBack(s.Config, filepath.Join(s.own(), "planted")) }},
		{name: "read the secret through a symbolic link", do: func(s *scene) error { return throughLink(s.own(), s.Secret, os.ReadFile) }},
		{name: "read the secret through a hard link", do: func(s *scene) error { return throughHardLink(s.own(), s.Secret) }},
		{name: "read the secret from the working directory", do: func(s *scene) error { return read("../state/secret") }},
		{name: "read the secret through /proc/self/root", do: func(s *scene) error { return read("/proc/self/root" + s.Secret) }},
		{name: "read the secret through /proc/self/cwd", do: func(s *scene) error { return read("/proc/self/cwd/../state/secret") }},
		{name: "read the secret through the name of a descriptor", do: throughDescriptor},
		{name: "read the secret by its handle", do: func(s *scene) error { return throughHandle(s.own(), s.Secret) }, excuse: needs(unix.CAP_DAC_READ_SEARCH)},
		{name: "execute the secret as a program", do: func(s *scene) error { return through(start(s.Secret), unix.ENOEXEC, unix.ETXTBSY) }},
	}
	for _, file := range []struct {
		name string
		path func(*scene) string
	}{
		{"the secret", func(s *scene) string { return s.Secret }},
		{"the journal", func(s *scene) string { return s.Journal }},
		{"the configuration", func(s *scene) string { return s.Config }},
		{"a secret among the system's programs", func(s *scene) string { return s.Installed }},
	} {
		tries = append(tries,
			try{name: "read " + file.name, do: func(s *scene) error { return read(file.path(s)) }},
			try{name: "write to " + file.name, do: func(s *scene) error { return openAndClose(file.path(s), os.O_WRONLY) }},
			try{name: "open " + file.name + " for appending", do: func(s *scene) error { return openAndClose(file.path(s), os.O_RDWR|os.O_APPEND) }},
			try{name: "truncate " + file.name, do: func(s *scene) error { return unix.Truncate(file.path(s), int64(len(fileText))) }, hardening: hardeningTruncate},
			try{name: "remove " + file.name, do: func(s *scene) error { return removeAndBack(file.path(s)) }},
		)
	}
	listing := try{name: "list the state directory", do: func(s *scene) error { return list(s.State) }}
	if where != "" {
		listing.left = listed
	}
	tries = append(tries, listing)
	for i := range tries {
		tries[i].name += where
	}
	return tries
}

// read reads a file of the scene.
func read(path string) error {
	content, err := os.ReadFile(path)
	if err == nil && string(content) != fileText {
		err = errors.New("something else is there")
	}
	return err
}

func list(dir string) error {
	_, err := os.ReadDir(dir)
	return err
}

func makeAndRemove(path string) error {
	if err := openAndClose(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL); err != nil {
		return err
	}
	return os.Remove(path)
}

func renameAndBack(from, to string) error {
	if err := unix.Rename(from, to); err != nil {
		return err
	}
	return unix.Rename(to, from)
}

func exchangeAndBack(path, with string) error {
	if err := os.WriteFile(with, nil, 0o666); err != nil {
		return err
	}
	defer os.Remove(with)
	err := unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, with, unix.RENAME_EXCHANGE)
	if err == nil {
		err = unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, with, unix.RENAME_EXCHANGE)
	}
	return err
}

// removeAndBack removes a name of a file that keeps another one, so that it stays the same.
func removeAndBack(path string) error {
	spare := path + "-spare"
	if err := unix.Link(path, spare); err != nil {
		return unix.Unlink(path) // what it would come to in the end
	}
	if err := unix.Unlink(path); err != nil {
		return errors.Join(err, unix.Unlink(spare))
	}
	return unix.Rename(spare, path)
}

func throughLink(dir, target string, open func(string) ([]byte, error)) error {
	link := filepath.Join(dir, "link")
	if err := os.Symlink(target, link); err != nil {
		return err
	}
	defer os.Remove(link)
	_, err := open(link)
	return err
}

func throughHardLink(dir, target string) error {
	link := filepath.Join(dir, "hard-link")
	if err := unix.Link(target, link); err != nil {
		return err
	}
	defer os.Remove(link)
	return read(link)
}

// throughDescriptor opens the file without any right, and then by the name of the descriptor.
func throughDescriptor(s *scene) error {
	f, err := os.OpenFile(s.Secret, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(descriptorPath(f))
}

// throughHandle opens the file without walking to it.
func throughHandle(dir, path string) error {
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
	if err != nil {
		return err
	}
	mount, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer mount.Close()
	fd, err := unix.OpenByHandleAt(int(mount.Fd()), handle, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// metadataTries are about what no right of Landlock covers.
var metadataTries = []try{
	{name: "look at the size and times of the secret", do: func(s *scene) error { _, err := os.Stat(s.Secret); return err }, left: metadata},
	{name: "be told of changes in the state directory (inotify)", do: watchState, left: metadata},
	{name: "read extended attributes of the secret", do: func(s *scene) error {
		_, err := unix.Llistxattr(s.Secret, nil)
		return err
	}, left: metadata},
	{name: "set the mode of the secret", do: func(s *scene) error { return os.Chmod(s.Secret, 0o777) }, excuse: ofOther, left: ownFiles},
	{name: "set the times of the secret", do: setTimes, excuse: ofOther, left: ownFiles},
	{name: "set an extended attribute of the secret", do: setAttribute, excuse: always("the file system has none"),
		left: residue{why: "extended attributes of files that its user may write to", in: []Profile{ProfileConfined, ProfileIsolated}}},
	{name: "give the secret to another user", do: giveAway, excuse: needs(unix.CAP_CHOWN)},
	{name: "enter the state directory", do: func(s *scene) error { return enter(s.State) }, left: metadata},
}

// What SECURITY.md says of them.
var (
	listed   = residue{why: "names in protected directories, below a root that holds them", in: []Profile{ProfileConfined, ProfileIsolated}}
	metadata = residue{why: "names, sizes, modes and times of files", in: []Profile{ProfileConfined, ProfileIsolated}}
	ownFiles = residue{why: "modes and times of files of the command's user", in: []Profile{ProfileConfined, ProfileIsolated}, as: []string{whoRoot, whoSelf}}
)

func watchState(s *scene) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.InotifyAddWatch(fd, s.State, unix.IN_ALL_EVENTS)
	return err
}

func setAttribute(s *scene) error {
	const name = "user.sidegate-test"
	if err := unix.Setxattr(s.Secret, name, []byte("x"), 0); err != nil {
		return err
	}
	return unix.Removexattr(s.Secret, name)
}

func giveAway(s *scene) error {
	if err := os.Chown(s.Secret, foreignUID, -1); err != nil {
		return err
	}
	return os.Chown(s.Secret, os.Getuid(), -1)
}

func setTimes(s *scene) error {
	info, err := os.Stat(s.Secret)
	if err != nil {
		return err
	}
	return os.Chtimes(s.Secret, info.ModTime(), info.ModTime())
}

// enter makes it the working directory of a child.
func enter(dir string) error {
	return inChild(raw(unix.SYS_CHDIR, text(dir)))
}

func descriptorPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
