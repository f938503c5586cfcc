package journal

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
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

	// roomStep is how far a file grows before it is checked again whether there is room for more, in bytes.
	roomStep = 1 << 20
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

// kept is a content that is ready to be committed: in memory, or in a file.
type kept struct {
	inline []byte
	file   string
	size   int64
	sha256 [sha256.Size]byte
}

// columns are the values of the columns for the content, the file and its size.
func (k *kept) columns() (content, file, size any) {
	if k.file == "" {
		return k.inline, nil, nil
	}
	return nil, k.file, k.size
}

// keep stores a content, nil for none. The caller syncs the folder before it commits the name of a file, and removes the file if nothing is committed.
// The error is ErrContent if the content itself failed, and otherwise ErrNoSpace.
func (s *spool) keep(content io.WriterTo) (*kept, error) {
	k := &keeper{spool: s, digest: sha256.New()}
	var unread error
	if content != nil {
		if _, err := content.WriteTo(k); k.err == nil {
			unread = err
		}
	}
	if k.file != nil {
		if unread == nil && k.err == nil {
			k.err = k.file.Sync()
		}
		k.err = errors.Join(k.err, k.file.Close())
	}
	switch {
	case unread != nil:
		s.remove(k.kept.file)
		return nil, fmt.Errorf("%w: %w", ErrContent, unread)
	case k.err != nil:
		s.remove(k.kept.file)
		return nil, fmt.Errorf("%w: %w", ErrNoSpace, k.err)
	}
	k.digest.Sum(k.kept.sha256[:0])
	return &k.kept, nil
}

// keeper takes a content in pieces. The first ones stay in memory until it turns out that they are not all.
type keeper struct {
	spool  *spool
	digest hash.Hash
	kept   kept
	file   *os.File
	check  int64 // the size from which on room is checked again
	err    error // of the file
}

// Write implements io.Writer.
func (k *keeper) Write(p []byte) (int, error) {
	if k.err != nil {
		return 0, k.err
	}
	k.digest.Write(p)
	k.kept.size += int64(len(p))
	if k.kept.size <= maxInline {
		k.kept.inline = append(k.kept.inline, p...)
		return len(p), nil
	}
	if k.file == nil {
		k.spill()
	}
	if k.err == nil && k.kept.size > k.check {
		k.check = k.kept.size + roomStep
		k.err = k.spool.room()
	}
	n := 0
	if k.err == nil {
		n, k.err = k.file.Write(p)
	}
	return n, k.err
}

// spill makes the file, and moves there what was in memory.
func (k *keeper) spill() {
	name := fmt.Sprintf("%s-%d", k.spool.run, k.spool.next.Add(1))
	if k.file, k.err = k.spool.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); k.err != nil {
		return
	}
	k.kept.file = name
	_, k.err = k.file.Write(k.kept.inline)
	k.kept.inline = nil
}

// sync brings the names of new files to disk.
func (s *spool) sync() error {
	if err := s.dir.Sync(); err != nil {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return nil
}

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
