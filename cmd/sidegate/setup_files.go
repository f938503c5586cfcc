package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/sidecar"
)

// owner is the gateway's user.
type owner struct{ uid, gid int }

func ownerOf(name string) (owner, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return owner{}, fmt.Errorf("the user of the gateway: %w; create it (useradd --system)", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return owner{}, err
	}
	gid, err := strconv.Atoi(u.Gid)
	return owner{uid, gid}, err
}

// ensureSecret writes the secret that is asked for, or a new one where there is none that can be used.
func (o setupOptions) ensureSecret(w wish, own owner) (string, error) {
	file, state := filepath.Join(o.dir, secretName), "created"
	if err := notMissing(os.Remove(partialOf(file))); err != nil { // of an interrupted one: nobody should find a secret there
		return "", err
	}
	text := w.secret
	if text == "" {
		if _, err := config.ReadSecret(file); err == nil {
			return "kept", nil
		} else if _, missing := os.Lstat(file); !errors.Is(missing, fs.ErrNotExist) {
			return "", fmt.Errorf("%w; mend or remove it", err)
		}
		random := make([]byte, secretBytes)
		if _, err := rand.Read(random); err != nil {
			return "", err
		}
		text = base64.RawURLEncoding.EncodeToString(random)
	} else {
		state = "given"
	}
	// The gateway reads it as a member of the file's group: no command of its user can change it.
	return state, placeFile(file, []byte(text+"\n"), 0o640, func(f *os.File) error {
		if os.Geteuid() != 0 {
			return nil
		}
		return f.Chown(0, own.gid)
	}, nil)
}

// ensurePolicies writes the shipped policies under another name and renames them when they are whole.
func (o setupOptions) ensurePolicies() error {
	dir := filepath.Join(o.dir, policiesName)
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return replaceTree(dir)
}

// replaceTree puts the shipped policies at a place where there are none.
func replaceTree(dir string) error {
	partial := partialOf(dir) // what an interrupted one left is of no use
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := writePolicies(partial); err != nil {
		return errors.Join(err, os.RemoveAll(partial))
	}
	if err := os.Rename(partial, dir); err != nil {
		return errors.Join(err, os.RemoveAll(partial))
	}
	return syncDir(filepath.Dir(dir))
}

// ensureState makes the directory of the journal, which belongs to the gateway alone.
func ensureState(dir string, own owner) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(dir), 0o755); err == nil {
			err = os.Mkdir(dir, 0o700)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrExist) || os.Geteuid() != 0 {
		return notExisting(err)
	}
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%s is not a directory; move it away (%w)", dir, err)
	}
	return os.Lchown(dir, own.uid, own.gid)
}

// notExisting leaves out that something is there already.
func notExisting(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// placeFile puts a file in the place of another, or of none, as a whole or not at all, and on disk. Before it takes the place, prepare may change what
// belongs to the file, and check looks at it under the name that it has until then.
func placeFile(name string, data []byte, mode fs.FileMode, prepare func(*os.File) error, check func(name string) error) (err error) {
	partial := partialOf(name)
	if err := os.Remove(partial); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, notMissing(os.Remove(partial)))
		}
	}()
	_, err = f.Write(data)
	if err == nil && prepare != nil {
		err = prepare(f)
	}
	if err == nil {
		err = f.Chmod(mode) // after chown, and whatever the umask is
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if check != nil {
		if err = check(partial); err != nil {
			return err
		}
	}
	if err = os.Rename(partial, name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// partialOf is the name of what is not whole yet.
func partialOf(name string) string {
	return filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".partial")
}

func notMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// syncDir puts names in a directory on disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readTyped reads a secret that somebody typed or keeps in a file: one trailing line feed is not part of it.
func readTyped(name string, stdin io.Reader) (string, error) {
	var data []byte
	var err error
	if name == "-" {
		const most = 8 << 10
		data, err = io.ReadAll(io.LimitReader(stdin, most))
	} else {
		var s config.Secret
		s, err = config.ReadSecret(name)
		data = s.Bytes()
	}
	if err != nil {
		return "", err
	}
	text := string(bytes.TrimSuffix(data, []byte("\n")))
	return text, sidecar.CheckSecret(text)
}

// readFile reads a regular file of some size that somebody else wrote.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 1 << 20
	return io.ReadAll(io.LimitReader(f, most))
}
