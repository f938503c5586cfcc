package cgroup

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// slot is a group as the kernel has it: one directory of the same name in each hierarchy, with the files that every job needs kept open. It outlives the
// Groups that it is lent to.
type slot struct {
	tree   *Tree
	name   string
	dirs   []*os.File // one for each of the Tree's places
	into   *os.File   // the one of v2, if any
	tasks  []*os.File
	events file // cgroup.events of v2
	memory memoryFiles
	pids   pidsFiles
	killed atomic.Bool // by cgroup.kill
	rest   rest        // as inspect found it
	before counters    // what the kernel had counted when the present Group began
}

// build makes a group in every place.
func (t *Tree) build() (*slot, error) {
	for {
		s := &slot{tree: t, name: t.run + strconv.FormatUint(t.pool.number(), 10), events: noFile}
		s.memory.forget()
		s.pids.forget()
		err := s.make()
		if err == nil {
			return s, nil
		}
		if err = errors.Join(err, s.remove()); !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
}

func (s *slot) make() error {
	h := s.tree.host
	for _, p := range s.tree.places {
		if err := h.mkdir(p.dir, s.name); err != nil {
			return reason(p.path, err)
		}
		fd, err := openDir(p.dir, s.name)
		if err != nil {
			return reason(p.path, errors.Join(err, h.rmdir(p.dir, s.name)))
		}
		dir := os.NewFile(uintptr(fd), s.name)
		s.dirs = append(s.dirs, dir)
		if err := s.open(p, dir); err != nil {
			return reason(p.path, err)
		}
	}
	return nil
}

// open opens what every job needs of a hierarchy.
func (s *slot) open(p *place, dir *os.File) (err error) {
	fd := file(dir.Fd())
	if p == s.tree.unified {
		s.into = dir
		if s.events, err = openat(fd, "cgroup.events", unix.O_RDONLY); err != nil {
			return err
		}
	} else {
		tasks, err := openat(fd, "tasks", unix.O_WRONLY)
		if err != nil {
			return err
		}
		s.tasks = append(s.tasks, os.NewFile(uintptr(tasks), s.name))
	}
	if p == s.tree.memory {
		if err := s.memory.open(s.tree.host, fd, p.version == 2); err != nil {
			return err
		}
	}
	if p == s.tree.pids {
		return s.pids.open(fd)
	}
	return nil
}

// close closes the files.
func (s *slot) close() {
	for _, f := range slices.Concat(s.dirs, s.tasks) {
		f.Close()
	}
	s.dirs, s.tasks, s.into = nil, nil, nil
	s.events.close()
	s.events = noFile
	s.memory.close()
	s.pids.close()
}

// remove closes the files and removes the directories.
func (s *slot) remove() error {
	made := s.tree.places[:len(s.dirs)]
	s.close()
	var errs []error
	for _, p := range made {
		if err := s.tree.host.removeGroup(p.dir, s.name); err != nil {
			errs = append(errs, fmt.Errorf("cgroup: %s/%s/%s: %w", p.path, s.tree.config.Name, s.name, err))
		}
	}
	return errors.Join(errs...)
}
