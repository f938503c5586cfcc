package cgroup

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// memoryFiles are files of the memory controller in one group: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the kernel.
type memoryFiles struct {
	v2      bool
	dir     file // not owned
	max     file
	swap    file // noFile where the kernel does not count swap
	current file
	events  file
	peak    file // noFile in v2 before Linux 5.19
	resets  bool // the peak can be made to begin anew: v1, and v2 from Linux 6.12 on
}

func (m *memoryFiles) forget() {
	*m = memoryFiles{max: noFile, swap: noFile, current: noFile, events: noFile, peak: noFile}
}

func (m *memoryFiles) open(h *host, dir file, v2 bool) error {
	m.v2, m.dir = v2, dir
	names := [...]string{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.usage_in_bytes", "memory.oom_control", "memory.max_usage_in_bytes"}
	if v2 {
		names = [...]string{"memory.max", "memory.swap.max", "memory.current", "memory.events", "memory.peak"}
		// A job that is half killed is of no use to anybody. Linux 4.19.
		if err := h.set(dir, "memory.oom.group", "1"); err != nil {
			return err
		}
	}
	var err error
	if m.max, err = openat(dir, names[0], unix.O_WRONLY); err != nil {
		return err
	}
	if m.swap, err = openIn(dir, names[1], unix.O_WRONLY); err != nil {
		return err
	}
	if m.current, err = openat(dir, names[2], unix.O_RDONLY); err != nil {
		return err
	}
	if m.events, err = openat(dir, names[3], unix.O_RDONLY); err != nil {
		return err
	}
	if m.peak, err = openIn(dir, names[4], unix.O_RDWR); err == nil {
		m.resets = m.peak != noFile
		return nil
	}
	m.peak, err = openIn(dir, names[4], unix.O_RDONLY)
	return err
}

func (m *memoryFiles) close() {
	for _, f := range []file{m.max, m.swap, m.current, m.events, m.peak} {
		f.close()
	}
	m.forget()
}

// limit sets how much memory, in bytes, and swap may be used. 0 is as much as there is.
func (m *memoryFiles) limit(h *host, bytes int64) error {
	if m.v2 {
		return m.limitV2(h, bytes)
	}
	value := "-1"
	if bytes > 0 {
		value = strconv.FormatInt(bytes, 10)
	}
	if m.swap == noFile {
		return h.write(m.max, value)
	}
	// v1 counts memory and swap together in the second file, which may never be less than the first.
	err := h.write(m.max, value)
	if errors.Is(err, unix.EINVAL) {
		if err = h.write(m.swap, value); err != nil {
			return err
		}
		return h.write(m.max, value)
	}
	if err != nil {
		return err
	}
	return h.write(m.swap, value)
}

func (m *memoryFiles) limitV2(h *host, bytes int64) error {
	value, swap := "max", "max"
	if bytes > 0 {
		value, swap = strconv.FormatInt(bytes, 10), "0"
	}
	if err := h.write(m.max, value); err != nil || m.swap == noFile {
		return err
	}
	return h.write(m.swap, swap)
}

// kills counts the processes of the group that the kernel has ended for want of memory.
func (m *memoryFiles) kills() (int64, error) { return m.events.field("oom_kill") }

// restart makes the peak begin anew, or returns where it stands.
func (m *memoryFiles) restart(h *host) (from int64, err error) {
	if m.peak == noFile {
		return 0, nil
	}
	if m.resets {
		return 0, h.write(m.peak, "0")
	}
	return m.peak.number()
}

// rest finds out what is charged to a group without processes.
func (m *memoryFiles) rest() (rest, error) {
	used, err := m.current.number()
	if err != nil || used <= smallRest {
		return rest{used, used}, err
	}
	stat, err := openat(m.dir, "memory.stat", unix.O_RDONLY)
	if err != nil {
		return rest{}, err
	}
	defer stat.close()
	var buf [16 << 10]byte
	text, err := stat.read(buf[:])
	if err != nil {
		return rest{}, err
	}
	yielding, err := m.yielding(text)
	return rest{used: used, firm: max(used-yielding, 0)}, err
}

// yielding is how much goes away when the next job needs the room: clean page cache and reclaimable memory of the kernel. Files in a tmpfs do not, and
// what is still to be written to a disk does not for now.
func (m *memoryFiles) yielding(stat []byte) (bytes int64, err error) {
	dirty, writeback := "dirty", "writeback"
	if m.v2 {
		dirty, writeback = "file_dirty", "file_writeback"
	}
	for _, part := range []struct {
		key  string
		sign int64
	}{{"active_file", 1}, {"inactive_file", 1}, {"slab_reclaimable", 1}, {dirty, -1}, {writeback, -1}} {
		n, err := parseField(stat, part.key)
		if err != nil {
			return 0, err
		}
		bytes += part.sign * n
	}
	return bytes, nil
}
