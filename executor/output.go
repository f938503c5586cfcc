package executor

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"sync/atomic"
)

// Output is what is kept of one stream of a command, as Result describes it. What is short is in memory, and what is long in a file that has no name,
// until Close. The zero value and nil are an empty output. It is safe for concurrent use.
type Output struct {
	text  []byte              // all of it, where there are no parts
	parts []*io.SectionReader // of a file, and text between them
	size  int64
	cut   bool
	// digest is of the file that holds the whole output and nothing else; nil where there is no such file.
	digest *fileDigest

	closed atomic.Bool
	held   *recording // what the parts are of
}

// OutputOf is an output in memory. The text must not change afterwards.
func OutputOf(text []byte) *Output { return &Output{text: text, size: int64(len(text))} }

// Len returns the length in bytes, with the lines that say what was left out.
func (o *Output) Len() int64 {
	if o == nil {
		return 0
	}
	return o.size
}

// Truncated tells whether something was left out.
func (o *Output) Truncated() bool { return o != nil && o.cut }

// File returns the file that holds the whole output and nothing else, or nil where there is none: of what is short, and of what was cut. The file has no name;
// it may be given one by linkat(2), once. It is not to be written to or closed, and not to be used after Close.
func (o *Output) File() *os.File {
	if o == nil || o.digest == nil {
		return nil
	}
	return o.digest.file
}

// SHA256 waits for the digest of that file. There is none where there is no such file, or where it cannot be read back.
func (o *Output) SHA256() (sum [sha256.Size]byte, ok bool) {
	if o == nil || o.digest == nil {
		return sum, false
	}
	return o.digest.get()
}

// Bytes returns the whole output, which may be long: see Len. It must not be changed.
func (o *Output) Bytes() ([]byte, error) {
	if o == nil || o.parts == nil {
		return o.inMemory(), nil
	}
	all := make([]byte, o.size)
	n, err := o.ReadAt(all, 0)
	return all[:n], err
}

func (o *Output) inMemory() []byte {
	if o == nil {
		return nil
	}
	return o.text
}

// ReadAt implements io.ReaderAt. After Close it answers os.ErrClosed where the output was in a file.
func (o *Output) ReadAt(b []byte, offset int64) (int, error) {
	if o == nil || o.parts == nil {
		return bytes.NewReader(o.inMemory()).ReadAt(b, offset)
	}
	if offset < 0 {
		return 0, errors.New("executor: an offset is negative")
	}
	if o.closed.Load() {
		return 0, os.ErrClosed
	}
	n := 0
	for _, part := range o.parts {
		if offset >= part.Size() {
			offset -= part.Size()
			continue
		}
		want := min(int64(len(b)-n), part.Size()-offset)
		m, err := part.ReadAt(b[n:n+int(want)], offset)
		n, offset = n+m, 0
		switch {
		case n == len(b):
			return n, nil
		case int64(m) == want:
		case err == io.EOF: // the file is shorter than what went in
			return n, io.ErrUnexpectedEOF
		default:
			return n, err
		}
	}
	return n, io.EOF
}

// WriteTo implements io.WriterTo: it writes the whole output, in pieces of up to 128 KiB where it is in a file.
func (o *Output) WriteTo(w io.Writer) (int64, error) {
	if o == nil || o.parts == nil {
		n, err := w.Write(o.inMemory())
		return int64(n), err
	}
	buf := scratch.Get().(*[scratchSize]byte)
	defer scratch.Put(buf)
	written := int64(0)
	for written < o.size {
		n, err := o.ReadAt(buf[:min(scratchSize, o.size-written)], written)
		if err != nil {
			return written, err
		}
		n, err = w.Write(buf[:n])
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// Close gives the file back, if there is one. The output cannot be read afterwards. Closing again does nothing.
func (o *Output) Close() {
	if o != nil && o.held != nil && !o.closed.Swap(true) {
		o.held.release()
	}
}
