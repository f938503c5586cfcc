package executor

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openExact opens a path only for naming it (O_PATH) and follows no symbolic link, in any component: a path that was free of links when it was
// decided on and is not any more fails with ELOOP. The file belongs to the caller.
func openExact(path string, flags uint64) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC | flags,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(unix.AT_FDCWD, path, &how)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "openat2", Path: path, Err: err}
		}
		return os.NewFile(uintptr(fd), path), nil
	}
}
