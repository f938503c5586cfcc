package executor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// DefaultReserve is Config.Reserve when that is 0, in bytes.
	DefaultReserve = 32 << 20
	// reserveStep is how far a spool grows before the room on the disk is looked at again, in bytes.
	reserveStep = 1 << 20
	// minChunk is the smallest bound of one write into the ring, in bytes.
	minChunk = 4 << 10
)

// errOverwritten says why there is no digest of a stream.
var errOverwritten = errors.New("more was written than is kept")

// errReserve says that a disk has room, but not for output.
var errReserve = errors.New("the disk has little room left")

// spool holds the head and the tail of a long stream in a file, like capture in a buffer: it fills up to limit bytes, at least 2, and what comes later
// overwrites the second half as a ring. One goroutine writes; those that read compare what they have read with reached, see recording.
type spool struct {
	file    *os.File
	limit   int64
	reserve int64 // bytes of the disk that are left free; negative for none
	checked int64 // how far the file may grow before the disk is looked at again

	// Guarded by the mutex of the recording.
	end     int64 // how many bytes of the stream went in
	reached int64 // end, or how far a write that is going on may come
}

// openNameless makes a file in dir that has no name, so that nobody else opens it and nothing is left of it after a crash.
func openNameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600) // without O_EXCL: see Output.File
	switch {
	case err == nil:
		return os.NewFile(uintptr(fd), "output"), nil
	case !errors.Is(err, unix.EOPNOTSUPP):
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return openUnlinked(dir)
}

// openUnlinked is openNameless for file systems that cannot make a file without a name. RemoveLeftovers finds it by its name if the gateway ends in between.
func openUnlinked(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, privatePrefix+"output-") // mode 0600
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// newSpool makes a file in dir for the head and the tail of a stream that begins with b.
func newSpool(dir string, limit, reserve int64, b []byte) (*spool, error) {
	file, err := openNameless(dir)
	if err != nil {
		return nil, err
	}
	return newSpoolIn(file, limit, reserve, b)
}

func newSpoolIn(file *os.File, limit, reserve int64, b []byte) (*spool, error) {
	s := &spool{file: file, limit: limit, reserve: reserve}
	err := s.checkDisk()
	if err == nil {
		_, err = file.WriteAt(b, 0)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	s.end = int64(len(b))
	s.reached = s.end
	return s, nil
}

// close closes the file. One that was given a name stays, and is seldom read again: its memory is given back at once, as that of the others is, so that the
// next output does not have to be written to memory that nobody has used yet, which takes twice as long.
func (s *spool) close() {
	var st unix.Stat_t
	if fd := int(s.file.Fd()); unix.Fstat(fd, &st) == nil && st.Nlink > 0 {
		_ = unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED)
	}
	s.file.Close()
}

func (s *spool) head() int64 { return s.limit - s.limit/2 }

// place returns where in the file the byte at an offset of the stream belongs, and for how many bytes from there on it goes straight on.
func (s *spool) place(offset int64) (at, room int64) {
	if offset < s.head() {
		return offset, s.head() - offset
	}
	in := (offset - s.head()) % (s.limit / 2)
	return s.head() + in, s.limit/2 - in
}

// oldest is the offset of the first byte behind the head that no write has overwritten, or is about to.
func (s *spool) oldest() int64 { return max(s.head(), s.reached-s.limit/2) }

// next returns where the next bytes go and how many at most. A write takes no more than a quarter of the ring, so that those who follow find something
// in it at any time.
func (s *spool) next() (at int64, room int, err error) {
	at, straight := s.place(s.end)
	if s.end < s.limit && s.end >= s.checked {
		if err := s.checkDisk(); err != nil {
			return 0, 0, err
		}
	}
	return at, int(min(straight, max(s.limit/8, minChunk))), nil
}

// checkDisk leaves room for what else is written to this disk: without a journal, nothing runs.
func (s *spool) checkDisk() error {
	s.checked = s.end + reserveStep
	if s.reserve < 0 {
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(s.file.Fd()), &st); err != nil {
		return os.NewSyscallError("fstatfs", err)
	}
	if free := int64(st.Bavail) * int64(st.Bsize); free < s.reserve+reserveStep {
		return fmt.Errorf("%w: %d bytes, of which %d are kept for other uses", errReserve, free, s.reserve)
	}
	return nil
}

// readAt reads bytes of the stream that are in the file, as many as lie together.
func (s *spool) readAt(b []byte, offset int64) (int, error) {
	at, room := s.place(offset)
	return s.file.ReadAt(b[:min(int64(len(b)), room)], at)
}

// parts returns what is to be shown of a stream of total bytes, as capture.bytes does. Where the disk was full before the end, a second line says what
// is missing there.
func (s *spool) parts(total int64) (parts []*io.SectionReader) {
	tail := int64(0) // the offset of what stands last
	if s.end > s.limit {
		way := int64(way(int(s.limit)))
		head := s.head() - way
		head -= int64(brokenEnd(s.peek(head-3, head)))
		tail = s.oldest() + way
		tail += int64(brokenStart(s.peek(tail, tail+4)))
		parts = append(s.sections(nil, 0, head), marker(tail-head))
	}
	if total == s.end {
		return s.sections(parts, tail, s.end)
	}
	end := s.end - int64(brokenEnd(s.peek(max(tail, s.end-3), s.end)))
	return append(s.sections(parts, tail, end), marker(total-end))
}

// sections appends the parts of the file that hold the stream between two offsets.
func (s *spool) sections(parts []*io.SectionReader, from, to int64) []*io.SectionReader {
	for from < to {
		at, room := s.place(from)
		n := min(room, to-from)
		parts = append(parts, io.NewSectionReader(s.file, at, n))
		from += n
	}
	return parts
}

// peek returns the bytes between two offsets that are kept. Where they cannot be read, whoever reads the output is told.
func (s *spool) peek(from, to int64) []byte {
	b := make([]byte, 0, 4)
	for from, to = max(from, 0), min(to, s.end); from < to; {
		n, err := s.readAt(b[len(b):len(b)+int(to-from)], from)
		if err != nil {
			return nil
		}
		b, from = b[:len(b)+n], from+int64(n)
	}
	return b
}

// marker is the line that says how many bytes are left out.
func marker(n int64) *io.SectionReader {
	line := fmt.Sprintf(markerFormat, n)
	return io.NewSectionReader(strings.NewReader(line), 0, int64(len(line)))
}
