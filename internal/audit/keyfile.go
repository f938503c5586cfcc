package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The files of a log's keys in its state directory.
const (
	PrivateFile = "audit.key" // the private key; nobody but the gateway's user may read it
	PublicFile  = "audit.pub" // the public keys, one a line, the newest last
)

const maxKeyFile = 64 << 10

// OpenKey reads the private key from dir, or makes one for a log on host if there is none, and sees to it that its public key stands in PublicFile,
// behind those that were in use before. It refuses a private key that others than its owner can read, or that belongs to neither this user nor root.
// The caller holds the lock on dir.
func OpenKey(dir, host string) (*Key, error) {
	path := filepath.Join(dir, PrivateFile)
	text, err := readOwn(path, 0o077)
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		text, err = createPrivate(path, host)
	}
	if err != nil {
		return nil, err
	}
	k, err := parsePrivate(strings.TrimSuffix(text, "\n"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w; restore the file from a backup, or remove it, and the next start makes a new key", path, err)
	}
	k.fresh = fresh
	k.known, err = publish(filepath.Join(dir, PublicFile), k)
	return k, err
}

// ReadKey reads the private key from dir, of a gateway that may run, and makes none. It refuses what OpenKey does; [fs.ErrNotExist] says that there is none.
func ReadKey(dir string) (*Key, error) {
	text, err := readOwn(filepath.Join(dir, PrivateFile), 0o077)
	if err != nil {
		return nil, err
	}
	return parsePrivate(strings.TrimSuffix(text, "\n"))
}

// ReadKeys reads the public keys in dir. They prove no more than dir does: who can write to it can write others. Keys that were kept elsewhere do.
func ReadKeys(dir string) (Keys, error) {
	path := filepath.Join(dir, PublicFile)
	text, err := readOwn(path, 0o022)
	if err != nil {
		return Keys{}, err
	}
	keys, err := ParseKeys(text)
	if err != nil {
		return Keys{}, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

func createPrivate(path, host string) (string, error) {
	line, err := newPrivate(host)
	if err != nil {
		return "", err
	}
	return line, writeWhole(path, line+"\n", 0o600)
}

// publish adds the public key to the file of public keys, if it is not the newest there.
func publish(path string, k *Key) (Keys, error) {
	text, err := readOwn(path, 0o022)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return Keys{}, err
	default:
		known, err := ParseKeys(text)
		if err != nil {
			return Keys{}, fmt.Errorf("%s: %w; mend the file, or remove it, and checkpoints that are signed with an earlier key count as forged", path, err)
		}
		if slices.Contains(known.lines, k.public) {
			return known, nil
		}
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
	}
	text += k.public + "\n"
	if err := writeWhole(path, text, 0o644); err != nil {
		return Keys{}, err
	}
	return ParseKeys(text)
}

// readOwn reads a small regular file, not through a symbolic link. Nobody but its owner, who is this user or root, may have the
// rights in closed to it.
func readOwn(path string, closed uint32) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return "", &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return "", fmt.Errorf("%s is not a regular file", path)
	case st.Mode&closed != 0:
		return "", fmt.Errorf("others have access to %s (mode %04o); run: chmod %04o %s", path, st.Mode&0o7777, st.Mode&0o7777&^closed, path)
	case st.Uid != 0 && int(st.Uid) != os.Geteuid() && os.Geteuid() != 0:
		return "", fmt.Errorf("%s belongs to user %d, not to this one (%d)", path, st.Uid, os.Geteuid())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(text) > maxKeyFile {
		err = fmt.Errorf("%s is longer than %d KiB", path, maxKeyFile>>10)
	}
	return string(text), err
}

// writeWhole writes a file: after a crash there is the old one, or the new one.
func writeWhole(path, text string, mode fs.FileMode) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	// umask may have taken rights away; the public key is for everybody who may enter the directory.
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return syncDir(filepath.Dir(path))
}

// syncDir brings the entries of a directory to disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
