package guest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An image is what linear memory holds after initialization: a sealed file without a name, which each
// instance maps privately over its memory. The kernel then copies a page when it is first written,
// and a reset has to copy back only such pages.
//
// Giving the pages up (madvise) is the usual way, and costs a page fault, 1.6 µs on a virtual
// machine, for each page that the next call reads or writes. Copying those that have ever been
// written costs 70 ns each, and the table that tells which they are 1 µs for 130 of them, so it is
// both cheaper than faults and cheaper than copying everything; BenchmarkReset shows the three.
type image struct {
	fd   int
	data []byte // the file, readable
}

const (
	// copyBelow is the size up to which everything is copied: asking what was written costs as much.
	copyBelow = 64 << 10
	// refreshEvery is how many resets pass until pages are given up once, so that what a single large
	// call has written is not copied for ever.
	refreshEvery = 1 << 10
)

func newImage(memory []byte) (*image, error) {
	fd, err := unix.MemfdCreate("sidegate-plugin", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memory image: %w", err)
	}
	i := &image{fd: fd}
	if err := i.fill(memory); err != nil {
		i.close()
		return nil, fmt.Errorf("memory image: %w", err)
	}
	return i, nil
}

// fill writes memory to the file, leaves holes where it is zero, and seals it.
func (i *image) fill(memory []byte) error {
	if err := unix.Ftruncate(i.fd, int64(len(memory))); err != nil {
		return err
	}
	const piece = 4 << 10
	zero := make([]byte, piece)
	for at := 0; at < len(memory); at += piece {
		from := memory[at : at+piece]
		if bytes.Equal(from, zero) {
			continue
		}
		for done := 0; done < piece; {
			n, err := unix.Pwrite(i.fd, from[done:], int64(at+done))
			if err != nil {
				return err
			}
			done += n
		}
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(i.fd), unix.F_ADD_SEALS, seals); err != nil {
		return err
	}
	if len(memory) == 0 {
		return nil
	}
	var err error
	i.data, err = unix.Mmap(i.fd, 0, len(memory), unix.PROT_READ, unix.MAP_SHARED)
	return err
}

// install makes m, which has the size of the image, begin with it, and reset return to it.
func (i *image) install(m *linear) error {
	if len(i.data) == 0 {
		return nil
	}
	_, err := unix.MmapPtr(i.fd, 0, unsafe.Pointer(&m.space[0]), uintptr(len(i.data)),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
	return err
}

// reset undoes what was written to m since install. It fails if m has grown.
func (i *image) reset(m *linear) error {
	if m.size != uint64(len(i.data)) {
		return fmt.Errorf("memory has grown from %d to %d bytes", len(i.data), m.size)
	}
	if len(i.data) == 0 {
		return nil
	}
	pages := pagemap()
	if len(i.data) <= copyBelow || pages == nil {
		copy(m.space, i.data)
		return nil
	}
	if m.resets++; m.resets%refreshEvery == 0 {
		return i.giveUp(m)
	}
	return i.restoreWritten(m, pages)
}

// giveUp drops all pages of m that were written, so that the next use finds the image.
func (i *image) giveUp(m *linear) error {
	return unix.Madvise(m.space[:len(i.data)], unix.MADV_DONTNEED)
}

// restoreWritten copies back the pages of m that are no longer the image's. The table has eight bytes for
// each page of the process; bit 61 says that a page is a file's, here the image's, and bits 63 and
// 62 that there is one, in memory or swapped out (Documentation/admin-guide/mm/pagemap.rst).
func (i *image) restoreWritten(m *linear, pages *os.File) error {
	const present, swapped, file = 1 << 63, 1 << 62, 1 << 61
	page := os.Getpagesize()
	first := uintptr(unsafe.Pointer(&m.space[0])) / uintptr(page)
	for at := 0; at < len(i.data); {
		n := min(len(m.states), (len(i.data)-at)/page*8)
		states := m.states[:n]
		if _, err := pages.ReadAt(states, int64(first)*8+int64(at/page)*8); err != nil {
			return err
		}
		for ; len(states) > 0; states, at = states[8:], at+page {
			s := binary.LittleEndian.Uint64(states)
			if s&swapped != 0 || s&present != 0 && s&file == 0 {
				copy(m.space[at:at+page], i.data[at:at+page])
			}
		}
	}
	return nil
}

// pagemap is the kernel's table of this process's pages; nil where it cannot be had, as in a process
// that may not be traced. It stays open.
var pagemap = sync.OnceValue(func() *os.File {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil
	}
	return f
})

// KeepPageTable opens the table of this process's pages, which a process that may not be traced cannot do. Without it the memories of plugins are put back whole,
// which is correct and slower.
func KeepPageTable() { pagemap() }

// close gives up the file. Memories that it is mapped into are not touched.
func (i *image) close() {
	if i.data != nil {
		_ = unix.Munmap(i.data)
		i.data = nil
	}
	if i.fd >= 0 {
		_ = unix.Close(i.fd)
		i.fd = -1
	}
}
