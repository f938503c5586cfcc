package journal

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"
)

// fileDigest digests a file while it is written, so that who writes need not wait for it.
type fileDigest struct {
	file *os.File

	mu    sync.Mutex
	grown sync.Cond
	size  int64 // how much there is
	whole bool

	sum   [sha256.Size]byte // once ended is closed
	err   error
	ended chan struct{}
}

// digestOf begins with an empty file. It has to be ended.
func digestOf(file *os.File) *fileDigest {
	d := &fileDigest{file: file, ended: make(chan struct{})}
	d.grown.L = &d.mu
	go d.run()
	return d
}

// grow says how long the file is now.
func (d *fileDigest) grow(size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size = size
	d.grown.Signal()
}

// end says that nothing more is written, and returns the digest of all that was.
func (d *fileDigest) end() ([sha256.Size]byte, error) {
	d.mu.Lock()
	d.whole = true
	d.grown.Signal()
	d.mu.Unlock()
	<-d.ended
	return d.sum, d.err
}

func (d *fileDigest) run() {
	defer close(d.ended)
	digest, buffer := sha256.New(), make([]byte, maxInline)
	for at := int64(0); ; {
		upTo := d.wait(at)
		if upTo == at {
			break
		}
		n, err := io.CopyBuffer(digest, io.NewSectionReader(d.file, at, upTo-at), buffer)
		if at += n; err == nil && at < upTo {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			d.err = fmt.Errorf("reading back what was written: %w", err)
			return
		}
	}
	digest.Sum(d.sum[:0])
}

// wait returns how much there is, once that is more than so much, or all.
func (d *fileDigest) wait(at int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.size == at && !d.whole {
		d.grown.Wait()
	}
	return d.size
}
