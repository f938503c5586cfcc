package journal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// roomStep is how far a file grows before it is checked again whether there is room for more, and before the disk is set to work on what is there, in bytes.
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
	k := &keeper{spool: s}
	var unread error
	if content != nil {
		if _, err := content.WriteTo(k); k.err == nil {
			unread = err
		}
	}
	k.end(unread == nil)
	switch {
	case unread != nil:
		s.remove(k.kept.file)
		return nil, fmt.Errorf("%w: %w", ErrContent, unread)
	case k.err != nil:
		s.remove(k.kept.file)
		return nil, fmt.Errorf("%w: %w", ErrNoSpace, k.err)
	}
	return &k.kept, nil
}

// keeper takes a content in pieces. The first ones stay in memory until it turns out that they are not all. What is long takes its time to be written, to be
// digested and to be brought to disk, each about as long as the others: these go on side by side.
type keeper struct {
	spool  *spool
	kept   kept
	file   *os.File
	digest *fileDigest
	named  chan error // how syncing the folder went
	synced int64      // how far the disk was set to work
	check  int64      // the size from which on room is checked again
	err    error      // of the file
}

// Write implements io.Writer.
func (k *keeper) Write(p []byte) (int, error) {
	if k.err != nil {
		return 0, k.err
	}
	if k.kept.size+int64(len(p)) <= maxInline {
		k.kept.inline = append(k.kept.inline, p...)
		k.kept.size += int64(len(p))
		return len(p), nil
	}
	if k.file == nil {
		k.spill()
	}
	if k.err == nil && k.kept.size+int64(len(p)) > k.check {
		k.check = k.kept.size + int64(len(p)) + roomStep
		k.err = k.spool.room()
	}
	if k.err != nil {
		return 0, k.err
	}
	return k.append(p)
}

// append writes to the file.
func (k *keeper) append(p []byte) (n int, err error) {
	n, k.err = k.file.Write(p)
	k.kept.size += int64(n)
	k.digest.grow(k.kept.size)
	if k.kept.size-k.synced >= roomStep {
		// A hint, which has no say in whether the content is safe: that is what Sync is for.
		_ = unix.SyncFileRange(int(k.file.Fd()), k.synced, k.kept.size-k.synced, unix.SYNC_FILE_RANGE_WRITE)
		k.synced = k.kept.size
	}
	return n, k.err
}

// spill makes the file, and moves there what was in memory.
func (k *keeper) spill() {
	name := fmt.Sprintf("%s-%d", k.spool.run, k.spool.next.Add(1))
	if k.file, k.err = k.spool.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); k.err != nil {
		return
	}
	k.kept.file = name
	k.named = make(chan error, 1)
	go func() { k.named <- k.spool.dir.Sync() }()
	k.digest = digestOf(k.file)
	inline := k.kept.inline
	k.kept.inline, k.kept.size = nil, 0
	if len(inline) > 0 {
		_, _ = k.append(inline)
	}
}

// end brings the file and its name to disk, if there is one and it is whole, and finds the digest.
func (k *keeper) end(whole bool) {
	if k.file == nil {
		k.kept.sha256 = sha256.Sum256(k.kept.inline)
		return
	}
	if whole && k.err == nil {
		k.err = k.file.Sync()
	}
	sum, err := k.digest.end()
	k.kept.sha256 = sum
	k.err = errors.Join(k.err, err, <-k.named, k.file.Close())
}
