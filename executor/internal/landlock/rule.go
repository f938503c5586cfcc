package landlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Rule allows Rights below a directory, or to a file.
type Rule struct {
	// Path is absolute. Exactly one of Path and File is set.
	Path string
	// File is an open file or directory; O_PATH is enough. It must stay open during the call that takes the rule, and is not closed.
	File   *os.File
	Rights Rights
	// Optional leaves the rule out, and lists Path as missing, where the path does not exist or cannot be reached. Otherwise that is an error.
	Optional bool
	// Follow resolves symbolic links anywhere in Path. It is for lists that this program knows (/bin is a link to usr/bin). Without it a link in
	// the path is an error, ELOOP: who can place one must not choose what is opened. Links of /proc that lead out of it (fd, cwd, root) are never followed.
	Follow bool
}

// check says what is wrong with the rule itself.
func (r *Rule) check() error {
	switch {
	case (r.Path == "") == (r.File == nil):
		return errors.New("landlock: a rule needs a path or a file")
	case r.Path != "" && !filepath.IsAbs(r.Path):
		return fmt.Errorf("landlock: path %q is not absolute", r.Path)
	case r.Rights == 0 || r.Rights&^rightsAll != 0:
		return fmt.Errorf("landlock: %s: the rights %q are none that a rule can have", r.name(), r.Rights)
	}
	return nil
}

func (r *Rule) name() string {
	if r.File != nil {
		return r.File.Name()
	}
	return r.Path
}

// open opens the path, which was seen to lead through a symbolic link if linked. The caller closes.
func (r *Rule) open() (fd int, linked bool, err error) {
	const noLinks = unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS
	fd, err = openPath(r.Path, noLinks)
	if r.Follow && errors.Is(err, unix.ELOOP) {
		linked = true
		fd, err = openPath(r.Path, unix.RESOLVE_NO_MAGICLINKS)
	}
	return fd, linked, err
}

func openPath(path string, resolve uint64) (fd int, err error) {
	for {
		fd, err = unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolve})
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) { // EAGAIN: a rename somewhere raced with the look-up
			return fd, err
		}
	}
}
