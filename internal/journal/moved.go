package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// opened are the files that the journal consists of, as they were when it was opened. What is committed goes to them by their descriptors, wherever they
// are by then: where somebody has removed the state directory, or put another in its place, the next start finds nothing of it, nonces included.
type opened map[string]os.FileInfo

// look notes the files of a directory.
func (o opened) look(dir string) error {
	for _, name := range []string{lockName, fileName, fileName + "-wal"} {
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		o[path] = info
	}
	return nil
}

// check answers ErrMoved if one of the files is not where it was.
func (o opened) check() error {
	for path, was := range o {
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			err = fmt.Errorf("%w: %s is gone", ErrMoved, path)
		case err == nil && !os.SameFile(was, info):
			err = fmt.Errorf("%w: %s is another file now", ErrMoved, path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
