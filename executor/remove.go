package executor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// removeTime bounds the removal of one tree: whoever is left of a job may go on filling it.
	removeTime = time.Minute
	// removeDepth is how many levels a remover goes down.
	removeDepth = 32
	// ownerAll are the rights that the owner of a directory needs to empty it.
	ownerAll = 0o700
)

var errRemoveTime = fmt.Errorf("not everything could be removed within %v", removeTime)

// remover empties a directory, whatever a job made in it: however deep, and whatever the modes are. What is deeper than removeDepth it moves up to the
// top: a tree of a hundred thousand levels takes a command seconds to make, and whoever goes down all of it needs as many descriptors, or the
// square of the time. It follows no symbolic link, and never leaves the directory.
type remover struct {
	top   *os.File
	moved int // the name of the next directory to be moved to the top
	until time.Time
}

// emptyDir removes all that is in a directory, with the rights of the calling thread. Nobody else may be able to replace the directory itself.
func emptyDir(dir string) error {
	if err := os.Chmod(dir, ownerAll); err != nil {
		return err
	}
	top, err := os.OpenFile(dir, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer top.Close()
	r := remover{top: top, until: time.Now().Add(removeTime)}
	for {
		found, err := r.empty(top, 0)
		if !found || err != nil {
			return err
		}
	}
}

// empty removes or moves all entries of a directory, and says whether there were any. It goes on after an error, and returns the last.
func (r *remover) empty(dir *os.File, depth int) (found bool, last error) {
	if _, err := dir.Seek(0, 0); err != nil {
		return false, err
	}
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			found = true
			if time.Now().After(r.until) {
				return true, errRemoveTime
			}
			if err := r.remove(dir, name, depth); err != nil {
				last = err
			}
		}
		if len(names) == 0 || err != nil {
			return found, last
		}
	}
}

// remove removes an entry of a directory, or moves it to the top. One that somebody fills again stays for the next time.
func (r *remover) remove(dir *os.File, name string, depth int) error {
	if done, err := unlink(dir, name); done {
		return err
	}
	sub, err := openOwn(dir, name)
	if err != nil {
		return err
	}
	defer sub.Close()
	if depth == removeDepth {
		return r.move(dir, name)
	}
	if _, err := r.empty(sub, depth+1); err != nil {
		return err
	}
	_, err = unlink(dir, name)
	return err
}

// move makes a directory an entry of the top.
func (r *remover) move(dir *os.File, name string) error {
	for {
		err := unix.Renameat(int(dir.Fd()), name, int(r.top.Fd()), strconv.Itoa(r.moved))
		r.moved++
		switch {
		case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST), errors.Is(err, unix.ENOTDIR): // the name was taken
		case err != nil:
			return &os.LinkError{Op: "rename", Old: dir.Name() + "/" + name, New: r.top.Name(), Err: err}
		default:
			return nil
		}
	}
}

// unlink removes a file or an empty directory. It is not done if that is a directory that is not empty.
func unlink(dir *os.File, name string) (done bool, err error) {
	for _, flag := range []int{0, unix.AT_REMOVEDIR} {
		switch err = unix.Unlinkat(int(dir.Fd()), name, flag); {
		case err == nil, errors.Is(err, unix.ENOENT):
			return true, nil
		case flag == 0 && (errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM)): // POSIX has the second for directories
		case flag != 0 && (errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST)):
			return false, nil
		default:
			return true, &os.PathError{Op: "remove", Path: dir.Name() + "/" + name, Err: err}
		}
	}
	return true, &os.PathError{Op: "remove", Path: dir.Name() + "/" + name, Err: err}
}

// openOwn opens a directory in another one, and gives its owner the rights to empty it.
func openOwn(dir *os.File, name string) (*os.File, error) {
	const flags = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	path := dir.Name() + "/" + name
	fd, err := unix.Openat(int(dir.Fd()), name, flags, 0)
	if errors.Is(err, unix.EACCES) {
		if err = allowOwner(dir, name, flags); err == nil {
			fd, err = unix.Openat(int(dir.Fd()), name, flags, 0)
		}
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && st.Mode&ownerAll != ownerAll {
		err = unix.Fchmod(fd, ownerAll)
	}
	if err != nil {
		f.Close()
		return nil, &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	return f, nil
}

// allowOwner sets the mode of a directory that cannot be opened.
func allowOwner(dir *os.File, name string, flags int) error {
	fd, err := unix.Openat(int(dir.Fd()), name, flags|unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), ownerAll)
}
