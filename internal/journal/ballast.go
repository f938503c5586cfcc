package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	ballastName = "ballast"

	// DefaultBallast is the size of the ballast in bytes, unless Config says otherwise or half of the low-water mark is less. It has room for all that a
	// commit may need before the WAL is copied.
	DefaultBallast = 32 << 20

	// bare is how many free bytes are as good as none.
	bare = 1 << 20

	// maxHeadroom is the largest headroom in bytes: it is as large as the ballast, where that is less.
	maxHeadroom = 16 << 20
)

// ballast is a file that only takes room. When a disk is full, it is given up, so that jobs which run can still record their end and callbacks their outcome, and
// those that wait have what they need; new work is refused until there is room for it again. What it gives up is anybody's: see headroom. It belongs to the
// writer goroutine.
type ballast struct {
	file  *os.File // nil for none
	size  int64
	whole bool
	gone  atomic.Bool // is not whole, for everybody
}

// openBallast opens the ballast, which may be whole from an earlier process. A size of 0 removes it.
func openBallast(dir string, size int64) (*ballast, error) {
	path := filepath.Join(dir, ballastName)
	if size == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return &ballast{whole: true}, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	b := &ballast{file: file, size: size}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errors.Join(err, fmt.Errorf("%s is not a regular file", path), file.Close())
	}
	if st.Size > size {
		if err := file.Truncate(size); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	b.whole = st.Size >= size && st.Blocks*512 >= size // a copy of it may be hollow
	b.gone.Store(!b.whole)
	return b, nil
}

// missing is how much room the ballast still needs.
func (b *ballast) missing() int64 {
	if b.whole {
		return 0
	}
	return b.size
}

// take takes the room again.
func (b *ballast) take() error {
	if b.whole {
		return nil
	}
	err := unix.Fallocate(int(b.file.Fd()), 0, 0, b.size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = b.write()
	}
	if err == nil {
		err = b.file.Sync()
	}
	if err != nil {
		return errors.Join(err, b.file.Truncate(0))
	}
	b.whole = true
	b.gone.Store(false)
	return nil
}

// write takes the room on file systems that give none ahead.
func (b *ballast) write() error {
	piece := make([]byte, 1<<20)
	for at := int64(0); at < b.size; {
		n, err := b.file.WriteAt(piece[:min(int64(len(piece)), b.size-at)], at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// heavy tells whether there is something to give up.
func (b *ballast) heavy() bool { return b.file != nil && b.whole }

// release gives the room up, and tells whether there was any.
func (b *ballast) release() (bool, error) {
	if !b.heavy() {
		return false, nil
	}
	b.whole = false
	b.gone.Store(true)
	// What was freed can be used once that is on disk.
	return true, errors.Join(b.file.Truncate(0), b.file.Sync())
}

func (b *ballast) close() error {
	if b.file == nil {
		return nil
	}
	return b.file.Close()
}
