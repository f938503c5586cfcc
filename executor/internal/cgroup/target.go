package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// target is the directory of one group in one hierarchy, of which everything at and below it is to be killed.
type target struct {
	version int
	dir     file
}

// populated tells whether a process in or below the group has not ended.
func (g target) populated() (bool, error) {
	if g.version == 2 {
		events, err := openat(g.dir, "cgroup.events", unix.O_RDONLY)
		if err != nil {
			return false, err
		}
		defer events.close()
		n, err := events.field("populated")
		return n != 0, err
	}
	pids, err := g.processes()
	return len(pids) > 0, err
}

// processes lists the processes in and below the group. One that this process's pid namespace does not show is 0.
func (g target) processes() ([]int, error) {
	text, err := readAll(g.dir, "cgroup.procs")
	if err != nil {
		return nil, err
	}
	var pids []int
	for line := range bytes.Lines(text) {
		pid, err := strconv.Atoi(string(bytes.TrimSpace(line)))
		if err != nil {
			return nil, fmt.Errorf("cgroup.procs: %w", errNumber)
		}
		pids = append(pids, pid)
	}
	err = g.below(func(_ string, sub target) error {
		more, err := sub.processes()
		pids = append(pids, more...)
		return err
	})
	return pids, err
}

// below visits the groups in a group. One that goes meanwhile is passed over.
func (g target) below(visit func(name string, sub target) error) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(g.dir), &st); err != nil || st.Nlink == 2 {
		return err // the kernel counts the directories in a directory
	}
	names, err := directories(g.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		dir, err := openDir(g.dir, name)
		if err == nil {
			err = visit(name, target{g.version, dir})
			dir.close()
		}
		if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
			return err
		}
	}
	return nil
}

// directories lists the directories in a directory.
func directories(dir file) ([]string, error) {
	again, err := openDir(dir, ".") // which has a position of its own
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(again), "cgroup")
	defer f.Close()
	entries, err := f.ReadDir(-1)
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// pause waits until something has changed in the group, for as long as d at most. Only v2 tells.
func (g target) pause(d time.Duration) {
	if g.version != 2 {
		time.Sleep(d)
		return
	}
	events, err := openat(g.dir, "cgroup.events", unix.O_RDONLY)
	if err != nil {
		return
	}
	defer events.close()
	// The kernel reports what has changed since this descriptor was last read.
	if n, err := events.field("populated"); err == nil && n != 0 {
		events.poll(d)
	}
}

// poll waits until a file that was read has changed.
func (f file) poll(d time.Duration) {
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(f), Events: unix.POLLPRI}}, int(d.Milliseconds()))
}

// removeGroup removes a group without processes. Those below it, which a job of the gateway's own user can have made, go first.
func (h *host) removeGroup(dir file, name string) error {
	err := h.rmdir(dir, name)
	if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	sub, openErr := openDir(dir, name)
	if openErr != nil {
		return err
	}
	defer sub.close()
	below := target{dir: sub}.below(func(name string, _ target) error { return h.removeGroup(sub, name) })
	return errors.Join(below, h.rmdir(dir, name))
}
