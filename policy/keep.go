package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceFile writes a file whole or not at all, and on the disk before it
// returns. Directories that are missing are made. Only the gateway's user can
// read what it writes.
func replaceFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := makeDir(dir); err != nil {
		return err
	}
	if old, err := readKept(path); err == nil && bytes.Equal(old, content) {
		return syncDir(dir) // whoever wrote it may have been killed before that
	}
	temporary, err := os.CreateTemp(dir, unfinished(path))
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}

// unfinished is the pattern of what replaceFile writes before it has the name.
func unfinished(path string) string { return "." + filepath.Base(path) + ".*" }

// removeUnfinished removes what a process left that was killed in replaceFile.
func removeUnfinished(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if ours, _ := filepath.Match(unfinished(path), entry.Name()); ours {
			errs = append(errs, os.Remove(filepath.Join(filepath.Dir(path), entry.Name())))
		}
	}
	return errors.Join(errs...)
}

// makeDir makes a directory and those around it, and each is on the disk
// before anything is put into it.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700)
	}
	if err == nil {
		return syncDir(filepath.Dir(dir))
	}
	if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() {
		return nil
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// readKept reads a file that replaceFile has written; fs.ErrNotExist when there
// is none. What others could change is refused: it would decide what runs here.
func readKept(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	t := newTrust()
	if err := errors.Join(t.path(path), t.file(path, info)); err != nil {
		return nil, err
	}
	var content bytes.Buffer
	if _, err := content.ReadFrom(f); err != nil {
		return nil, err
	}
	return content.Bytes(), nil
}

// openKeep makes the directory for what is kept, and checks that it is nobody
// else's to change.
func openKeep(dir string) error {
	if err := makeDir(dir); err != nil {
		return err
	}
	if err := newTrust().path(dir); err != nil {
		return fmt.Errorf("the directory of the policy bundles: %w", err)
	}
	return nil
}
