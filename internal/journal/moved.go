package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// opened are the files that the journal consists of, as they were when it was opened. What is committed goes to them by their descriptors, wherever they
// are by then: where somebody has removed the state directory, or put another in its place, the next start finds nothing of it, nonces included.
type opened []openedFile

type openedFile struct {
	path string
	was  os.FileInfo
}

// look notes the files of a directory.
func (o *opened) look(dir string) error {
	for _, name := range []string{fileName, fileName + "-wal", lockName} {
		path := filepath.Join(dir, name)
		was, err := os.Lstat(path)
		if err != nil {
			return err
		}
		*o = append(*o, openedFile{path, was})
	}
	return nil
}

// check answers ErrMoved if one of the files is not where it was.
func (o opened) check() error {
	for _, f := range o {
		now, err := os.Lstat(f.path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			err = fmt.Errorf("%w: %s is gone", ErrMoved, f.path)
		case err == nil && !os.SameFile(f.was, now):
			err = fmt.Errorf("%w: %s is another file now", ErrMoved, f.path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
