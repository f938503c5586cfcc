package cgroup

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// file is an open file of the kernel's, or none. These files have no position worth keeping and mostly hold one number, so os.File would add nothing
// but a registration with the poller, which they accept.
type file int

const noFile file = -1

// openIn opens a file of a directory. A file that this kernel does not have is noFile, and no error.
func openIn(dir file, name string, flags int) (file, error) {
	fd, err := openat(dir, name, flags)
	if errors.Is(err, unix.ENOENT) {
		return noFile, nil
	}
	return fd, err
}

func openat(dir file, name string, flags int) (file, error) {
	for {
		fd, err := unix.Openat(int(dir), name, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return noFile, &os.PathError{Op: "open", Path: name, Err: err}
		}
		return file(fd), nil
	}
}

func openDir(dir file, name string) (file, error) {
	return openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY)
}

func (f file) close() {
	if f >= 0 {
		unix.Close(int(f))
	}
}

// read returns what one call gives: the whole of a file that the kernel shows as one record, if it fits.
func (f file) read(buf []byte) ([]byte, error) {
	for {
		n, err := unix.Pread(int(f), buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, os.NewSyscallError("pread", err)
		}
		return buf[:n], nil
	}
}

// readAll opens, reads and closes a file of any length. Lists of processes must be read like this: cgroup v1 shows the same list again for
// up to a second to whoever reads on in an open file.
func readAll(dir file, name string) ([]byte, error) {
	f, err := openat(dir, name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	o := os.NewFile(uintptr(f), name)
	defer o.Close()
	return io.ReadAll(o)
}

// write writes a value in one call, as the kernel wants it.
func write(f file, value string) error {
	for {
		_, err := unix.Pwrite(int(f), []byte(value), 0)
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("write", err)
		}
	}
}

var errNumber = errors.New("not a number")

// number reads a file that holds one number. "max" is the largest.
func (f file) number() (int64, error) {
	var buf [32]byte
	text, err := f.read(buf[:])
	if err != nil {
		return 0, err
	}
	return parseNumber(bytes.TrimSpace(text))
}

// field reads a number from a file of lines "key number". A file without the key counts 0.
func (f file) field(key string) (int64, error) {
	buf := records.Get().(*[2048]byte)
	defer records.Put(buf)
	text, err := f.read(buf[:])
	if err != nil {
		return 0, err
	}
	return parseField(text, key)
}

// records are buffers for field, which is called several times for each job.
var records = sync.Pool{New: func() any { return new([2048]byte) }}

func parseField(text []byte, key string) (int64, error) {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(key)); ok && len(rest) > 0 && rest[0] == ' ' {
			return parseNumber(bytes.TrimSpace(rest))
		}
	}
	return 0, nil
}

func parseNumber(text []byte) (int64, error) {
	if string(text) == "max" {
		return math.MaxInt64, nil
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return 0, errNumber
	}
	return int64(min(n, math.MaxInt64)), nil
}
