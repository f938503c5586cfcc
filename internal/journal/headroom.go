package journal

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// headroom is room on the disk that the WAL owns behind its end, before it is needed. A commit that grows the WAL by no more than that needs none of the room
// that is free, and so it succeeds on a full disk, also where somebody takes at once whatever becomes free. The ballast does not promise that: what it gives up
// is anybody's. It belongs to the writer goroutine.
type headroom struct {
	wal  *os.File // nil for none
	size int64    // bytes; at least three quarters of them are there once grow has succeeded
}

// openHeadroom opens the WAL of a journal that is open. A size of 0 means none. Closing this file does not touch the locks of SQLite, which are on others.
func openHeadroom(wal string, size int64) (*headroom, error) {
	if size == 0 {
		return &headroom{}, nil
	}
	file, err := os.OpenFile(wal, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return &headroom{wal: file, size: size}, nil
}

// ahead is how many bytes the WAL has behind its end. Where a file system counts otherwise, it may be negative.
func (h *headroom) ahead() (end, ahead int64, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(h.wal.Fd()), &st); err != nil {
		return 0, 0, &fs.PathError{Op: "fstat", Path: h.wal.Name(), Err: err}
	}
	return st.Size, st.Blocks*512 - st.Size, nil
}

// missing is how much room it still needs. Not to know counts as all.
func (h *headroom) missing() int64 {
	if h.wal == nil {
		return 0
	}
	_, ahead, err := h.ahead()
	switch {
	case err != nil:
		return h.size
	case ahead >= h.size/4*3: // or each commit that makes the WAL longer would ask the file system for more
		return 0
	}
	return h.size - max(ahead, 0)
}

// grow takes what is missing. File systems that cannot give room ahead are left in peace from then on: there is only the ballast.
func (h *headroom) grow() error {
	if h.missing() == 0 {
		return nil
	}
	end, _, err := h.ahead()
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(h.wal.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, end+h.size)
	if errors.Is(err, unix.EOPNOTSUPP) || err == nil && h.missing() > 0 {
		return h.close()
	}
	return err
}

// close may be called more than once.
func (h *headroom) close() error {
	if h.wal == nil {
		return nil
	}
	file := h.wal
	h.wal = nil
	return file.Close()
}
