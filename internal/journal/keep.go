package journal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// roomStep is how far a file grows before it is checked again whether there is room for more, in bytes.
const roomStep = 1 << 20

// kept is a content that is ready to be committed: in memory, or in a file that is on disk with its name.
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

// keep stores a content, nil for none. The caller removes the file if nothing is committed. The error is ErrContent if the content itself failed, and
// otherwise ErrNoSpace.
func (s *spool) keep(content io.WriterTo) (*kept, error) {
	if c, ok := content.(nameless); ok {
		if k, err := s.adopt(c); k != nil || err != nil {
			return k, err
		}
	}
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
		k.err = errors.Join(k.err, <-k.named, k.file.Close())
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

// nameless is a content that is in a file already, which holds nothing else and has no name yet.
type nameless interface {
	// File returns the file, or nil where there is none. It is not closed here.
	File() *os.File
	// SHA256 returns the digest of all of it, or false where there is none.
	SHA256() (sum [sha256.Size]byte, ok bool)
}

// adopt gives a file of the same file system a name in the folder: what is long is not written twice. It answers nil where that cannot be, so that the content is
// to be copied.
func (s *spool) adopt(c nameless) (*kept, error) {
	file := c.File()
	if file == nil {
		return nil, nil
	}
	st, err := file.Stat()
	if err != nil || st.Size() <= maxInline {
		return nil, nil
	}
	if err := s.room(); err != nil { // what it takes already is wanted back
		return nil, fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	name := s.newName()
	if unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(int(file.Fd())), int(s.dir.Fd()), name, unix.AT_SYMLINK_FOLLOW) != nil {
		return nil, nil // on another file system, or one without such files, or it had a name before
	}
	named := s.syncDir()
	err = errors.Join(file.Sync(), <-named)
	sum, ok := c.SHA256()
	if err != nil || !ok {
		s.remove(name)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNoSpace, err)
	case !ok:
		return nil, nil
	}
	return &kept{file: name, size: st.Size(), sha256: sum}, nil
}

// newName names a new file.
func (s *spool) newName() string { return fmt.Sprintf("%s-%d", s.run, s.next.Add(1)) }

// syncDir brings the names in the folder to disk meanwhile.
func (s *spool) syncDir() <-chan error {
	synced := make(chan error, 1)
	go func() { synced <- s.dir.Sync() }()
	return synced
}

// keeper takes a content in pieces. The first ones stay in memory until it turns out that they are not all.
type keeper struct {
	spool  *spool
	digest hash.Hash
	kept   kept
	file   *os.File
	named  <-chan error // how syncing the folder went
	check  int64        // the size from which on room is checked again
	err    error        // of the file
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
	name := k.spool.newName()
	if k.file, k.err = k.spool.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); k.err != nil {
		return
	}
	k.kept.file, k.named = name, k.spool.syncDir()
	_, k.err = k.file.Write(k.kept.inline)
	k.kept.inline = nil
}
