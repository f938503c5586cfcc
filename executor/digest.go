package executor

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// digestStep is how much of a file is digested before the disk is set to work on it, in bytes.
const digestStep = 1 << 20

// fileDigest digests a file while it is written, beside whoever writes, and has the disk begin with what is there: both have to be done before the end of
// a job is on record, and take as long each as the command takes to print it.
type fileDigest struct {
	file  *os.File
	ended chan struct{} // closed when sum and err are there

	mu    sync.Mutex
	grown sync.Cond
	size  int64 // how much there is
	whole bool  // nothing more comes
	given bool  // up: what was there is overwritten

	sum [sha256.Size]byte
	err error
}

// digestOf begins with an empty file. It has to be ended, and calls done when it does not use the file any more.
func digestOf(file *os.File, done func()) *fileDigest {
	d := &fileDigest{file: file, ended: make(chan struct{})}
	d.grown.L = &d.mu
	go func() {
		defer done()
		defer close(d.ended)
		d.run()
	}()
	return d
}

// grow says how long the file is now.
func (d *fileDigest) grow(size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size = size
	d.grown.Signal()
}

// end says that nothing more is written. It may be called more than once.
func (d *fileDigest) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.whole = true
	d.grown.Signal()
}

// giveUp ends it without a digest.
func (d *fileDigest) giveUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.given = true
	d.grown.Signal()
}

// get waits for the digest of all that was written. There is none where it was given up, or where the file cannot be read.
func (d *fileDigest) get() (sum [sha256.Size]byte, ok bool) {
	<-d.ended
	return d.sum, d.err == nil
}

func (d *fileDigest) run() {
	digest, buffer := sha256.New(), make([]byte, inMemory)
	for at := int64(0); ; {
		upTo := d.wait(at)
		switch {
		case upTo < 0:
			d.err = errOverwritten
			return
		case upTo == at:
			digest.Sum(d.sum[:0])
			return
		}
		n, err := io.CopyBuffer(digest, io.NewSectionReader(d.file, at, upTo-at), buffer)
		if err == nil && n < upTo-at {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			d.err = fmt.Errorf("reading back what was written: %w", err)
			return
		}
		// A hint, which has no say in whether anything is safe: that is what fsync(2) is for.
		_ = unix.SyncFileRange(int(d.file.Fd()), at, n, unix.SYNC_FILE_RANGE_WRITE)
		at = upTo
	}
}

// wait returns how much there is to digest next, once that is worth a step, or all; and a negative number where it was given up.
func (d *fileDigest) wait(at int64) (upTo int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.size-at < digestStep && !d.whole && !d.given {
		d.grown.Wait()
	}
	if d.given {
		return -1
	}
	return min(d.size, at+digestStep)
}
