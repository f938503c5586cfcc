package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	fileName = "journal.db"
	lockName = "journal.lock"
	newName  = "journal.db.new" // a journal that is being created; it gets its name when it is whole
)

// prepareDir creates the state directory if need be and refuses one in which other users could replace the journal.
func prepareDir(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := syncPath(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%s is not a directory", dir)
	case st.Mode&0o022 != 0:
		return fmt.Errorf("other users may write to %s (mode %04o); run: chmod go-w %s", dir, st.Mode&0o7777, dir)
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to user %d, not to the user the gateway runs as (%d)", dir, st.Uid, os.Geteuid())
	}
	return nil
}

// lockDir takes the lock that keeps a second gateway out; closing the file, or the end of the process, releases it. flock(2) is used because it belongs
// to the open file and is not lost when some other descriptor of the same file is closed.
func lockDir(ctx context.Context, dir string, patience time.Duration) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	err = flock(ctx, f, patience)
	if errors.Is(err, unix.EWOULDBLOCK) {
		owner := lockOwner(f)
		f.Close()
		return nil, fmt.Errorf("%w: %s%s", ErrInUse, dir, owner)
	}
	if err == nil {
		err = writeOwner(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lockPatience is how long a lock that somebody holds is waited for. A gateway that was killed may leave a child between fork and exec, which holds the
// lock until it has become the command; only then does it show the mark by which it is found and killed.
const lockPatience = 3 * time.Second

// lockPause is the time between two tries.
const lockPause = 20 * time.Millisecond

// flock takes the lock, trying again until patience or ctx ends.
func flock(ctx context.Context, f *os.File, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// writeOwner leaves the process ID in the lock file for lockOwner. It is a hint for people; the lock itself is the kernel's.
func writeOwner(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	// A full disk must not keep the gateway from starting: jobs have to be recovered, and new ones are refused anyway.
	_, err := fmt.Fprintf(f, "%d\n", os.Getpid())
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return nil
	}
	return err
}

// lockOwner returns " (process N)" if the lock file tells, otherwise nothing.
func lockOwner(f *os.File) string {
	line, err := io.ReadAll(io.NewSectionReader(f, 0, 20))
	pid := strings.TrimSpace(string(line))
	if err != nil || pid == "" || strings.Trim(pid, "0123456789") != "" {
		return ""
	}
	return " (process " + pid + ")"
}

// ensureFile creates the journal if there is none. It is built under another name and renamed, so that a journal.db is always a whole one: an empty
// or half-made file is damage, and never taken for a journal in which no nonce was used yet.
func ensureFile(ctx context.Context, path string) error {
	st, err := os.Lstat(path)
	switch {
	case err == nil && !st.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case err == nil:
		return os.Chmod(path, 0o600)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	for _, suffix := range []string{"-wal", "-journal"} {
		if _, err := os.Lstat(path + suffix); err == nil {
			return fmt.Errorf("%w: %s is missing, but %s is there; restore both from one backup, or remove the latter to begin anew", ErrCorrupt, path, path+suffix)
		}
	}
	return createFile(ctx, path)
}

// createFile builds a new journal beside path and moves it there.
func createFile(ctx context.Context, path string) error {
	dir := filepath.Dir(path)
	fresh := filepath.Join(dir, newName)
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(fresh + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// SQLite would create the file with the mode that umask leaves; its WAL takes over the mode of the main file.
	f, err := os.OpenFile(fresh, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := build(ctx, fresh); err != nil {
		return err
	}
	if err := syncPath(fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return syncPath(dir)
}

// syncPath brings a file, or the entries of a directory, to disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
