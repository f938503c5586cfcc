package landlock

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// entry is a rule with its path open.
type entry struct {
	rule    Rule // without File
	name    string
	fd      int // -1 if missing
	missing bool
	linked  bool // the path leads through a symbolic link
	inode   inode
	access  uint64 // what the rule grants, in the kernel's terms, for this type of file
}

// inode names a file. The numbers are not used again while a descriptor holds the file.
type inode struct {
	dev, ino uint64
	dir      bool
}

func inodeOf(st *unix.Stat_t) inode {
	return inode{dev: st.Dev, ino: st.Ino, dir: st.Mode&unix.S_IFMT == unix.S_IFDIR}
}

// open opens the path of a rule and finds out what of its rights the type of the file has. The caller closes the entry.
func (s Support) open(rule *Rule) (entry, error) {
	if err := rule.check(); err != nil {
		return entry{fd: -1}, err
	}
	e := entry{rule: *rule, name: rule.name(), fd: -1}
	err := s.resolve(&e)
	if err == nil && e.access == 0 {
		err = unix.ENOTDIR // to list what is not a directory is all that the rule allows
	}
	e.rule.File = nil
	if err == nil {
		return e, nil
	}
	e.close()
	if rule.Optional && rule.File == nil && absent(err) {
		e.missing = true
		return e, nil
	}
	return e, &fs.PathError{Op: "landlock", Path: e.name, Err: err}
}

// resolve fills in what the rule's path or file is.
func (s Support) resolve(e *entry) (err error) {
	if e.rule.File != nil {
		e.fd, err = duplicate(e.rule.File)
	} else {
		e.fd, e.linked, err = e.rule.open()
	}
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(e.fd, &st); err != nil {
		return err
	}
	e.inode = inodeOf(&st)
	e.access = s.Access(e.rule.Rights)
	if !e.inode.dir {
		e.access &= fileAccess
	}
	return nil
}

// duplicate returns a descriptor of the same open file. It does not make it blocking, as File.Fd would.
func duplicate(f *os.File) (int, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	if conn.Control(func(p uintptr) { fd, err = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0) }) != nil {
		return -1, os.ErrClosed // the only reason that Control has
	}
	return fd, err
}

func (e *entry) close() {
	if e.fd >= 0 {
		unix.Close(e.fd)
		e.fd = -1
	}
}

// addTo adds the rule to a ruleset.
func (e *entry) addTo(ruleset int) error {
	if e.missing {
		return nil
	}
	if err := addPath(ruleset, e.fd, e.access); err != nil {
		return &fs.PathError{Op: "landlock", Path: e.name, Err: err}
	}
	return nil
}

// current says whether the path still leads where it did when it was opened.
func (e *entry) current() bool {
	var st unix.Stat_t
	err := unix.Stat(e.rule.Path, &st)
	if err != nil {
		return e.missing && absent(err)
	}
	return !e.missing && inodeOf(&st) == e.inode
}

// absent says of an error from looking up a path that it is about the path: running out of descriptors or memory is not.
func absent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ELOOP)
}
