package executor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Names below Config.WorkRoot. A private directory is WorkRoot/job-N/home, where job-N belongs to the gateway, which may rename it, and may remove home
// from there once that is empty.
const (
	privatePrefix = "job-"
	privateHome   = "home"
)

// workdir is where a job starts, and its private directory.
type workdir struct {
	path    string   // where the job starts
	dir     *os.File // of path, O_PATH
	private *private // nil for none
}

// openWorkdir opens the job's directory and finds a private one that belongs to id: to start in where the job names none, and for temporary files, of
// which a confined job has no other place.
func (r *Runner) openWorkdir(job *Job, id identity) (_ *workdir, err error) {
	w := &workdir{path: job.Workdir}
	if job.Workdir == "" || job.Profile != ProfileHost {
		if w.private, err = r.privates.take(id); err != nil {
			return nil, err
		}
	}
	if w.path == "" {
		w.path = w.private.path
	}
	if w.dir, err = openExact(w.path, unix.O_DIRECTORY); err != nil {
		return nil, errors.Join(err, w.close(r.privates, true))
	}
	return w, nil
}

// close closes the descriptor and gives the private directory back: certain says that no process of the job is left.
func (w *workdir) close(to *privates, certain bool) error {
	if w.dir != nil {
		w.dir.Close()
	}
	if w.private == nil {
		return nil
	}
	return to.giveBack(w.private, certain)
}

// home is the path of the private directory, "" for none.
func (w *workdir) home() string {
	if w.private == nil {
		return ""
	}
	return w.private.path
}

// removePrivate removes one entry of WorkRoot. Where the gateway's own rights do not suffice, it is emptied as its owner.
func removePrivate(dir string) error {
	if os.Remove(dir) == nil { // a file, or a directory in which a command has left nothing
		return nil
	}
	owner, err := ownerOf(dir)
	if err != nil {
		return err
	}
	full, self := dir, uint32(os.Geteuid())
	if home := filepath.Join(dir, privateHome); owner.uid == self {
		if id, err := ownerOf(home); err == nil && id.uid != self {
			full, owner = home, id
		}
	}
	empty := func() error { return emptyDir(full) }
	if err = empty(); err != nil && owner.uid != self && owner.uid != 0 {
		err = actAs(owner.uid, owner.gid, empty)
	}
	if err == nil && full != dir {
		err = emptyDir(dir)
	}
	if err != nil {
		return err
	}
	return os.Remove(dir)
}

func ownerOf(path string) (identity, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return identity{}, err
	}
	return ownerIn(info), nil
}

func ownerIn(info fs.FileInfo) identity {
	st := info.Sys().(*syscall.Stat_t)
	return identity{uid: st.Uid, gid: st.Gid}
}

// prepareWorkRoot makes the directory for private directories and refuses one in which somebody else could plant links. It is searchable for
// everybody, because commands of other users must reach their home through it, but not readable.
func prepareWorkRoot(root string) error {
	if !filepath.IsAbs(root) || filepath.Clean(root) != root {
		return fmt.Errorf("work root %q is not an absolute, clean path", root)
	}
	err := os.Mkdir(root, 0o711)
	if err == nil {
		return os.Chmod(root, 0o711) // whatever the umask
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := openExact(root, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil {
		return err
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != uint32(os.Geteuid()) {
		return fmt.Errorf("work root %s belongs to user %d, not to the gateway", root, uid)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("work root %s has mode %#o: others can write to it", root, info.Mode().Perm())
	}
	return nil
}

// findPrivate lists the private directories in root.
func findPrivate(root string) (dirs []string, err error) {
	entries, err := os.ReadDir(root)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), privatePrefix) {
			dirs = append(dirs, filepath.Join(root, e.Name()))
		}
	}
	return dirs, err
}

// RemoveLeftovers removes the private directories that were there when New was called: those of jobs that a crashed gateway ran. It is meant to be called
// once those jobs' processes are gone, see Sweep; it never touches the directory of a job of this Runner. What it cannot remove is named in the error, and
// tried again by the next call.
func (r *Runner) RemoveLeftovers() error {
	r.leftMu.Lock()
	defer r.leftMu.Unlock()
	var left []string
	var errs []error
	for _, dir := range r.leftovers {
		if err := removePrivate(dir); err != nil {
			left, errs = append(left, dir), append(errs, err)
		}
	}
	r.leftovers = left
	return errors.Join(errs...)
}
