package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
)

const (
	spoolName = "spool"

	// maxInline is what a row holds of a content. What is longer is in a file: the writer, for whom everybody waits, never handles it, and it is neither
	// written twice, as everything is that goes through the WAL, nor held in memory.
	maxInline = 64 << 10
)

// Bytes is a content in memory.
type Bytes []byte

// WriteTo implements io.WriterTo. It can be called again.
func (b Bytes) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b)
	return int64(n), err
}

// spool is the folder of what is too long for a row. A file is written and synced before the commit that names it, and removed after the one that forgets
// it; what a crash leaves in between is found by sweep.
type spool struct {
	log  *slog.Logger
	room func() error // whether more may be written
	dir  *os.File     // to sync it
	root *os.Root
	run  string // begins the names of the files of this process
	next atomic.Uint64
}

// openSpool opens the folder in the state directory, and makes it if need be.
func openSpool(state string, log *slog.Logger, room func() error) (*spool, error) {
	path := filepath.Join(state, spoolName)
	err := os.Mkdir(path, 0o700)
	switch {
	case err == nil:
		err = syncPath(state)
	case errors.Is(err, fs.ErrExist):
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if st, err := os.Lstat(path); err != nil || !st.IsDir() { // not a link to one either
		return nil, errors.Join(err, fmt.Errorf("%s is not a directory", path))
	}
	s := &spool{log: log, room: room, run: rand.Text()[:16]}
	if s.root, err = os.OpenRoot(path); err != nil {
		return nil, err
	}
	if s.dir, err = s.root.Open("."); err != nil {
		return nil, errors.Join(err, s.root.Close())
	}
	if err := s.dir.Chmod(0o700); err != nil { // a careless copy may have left it open
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *spool) close() error { return errors.Join(s.dir.Close(), s.root.Close()) }

// remove removes files that no row names. What cannot be removed is left for the next sweep.
func (s *spool) remove(names ...string) {
	for _, name := range names {
		if name == "" {
			continue
		}
		if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("a file that is not needed any more could not be removed", "dir", spoolName, "error", err)
		}
	}
}
