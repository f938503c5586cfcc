package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// lockTime bounds the waiting for the lock of a directory.
const lockTime = time.Second

// place is the directory of a Tree in one hierarchy.
type place struct {
	version int
	path    string // of base, for people
	base    file   // the group that dir is made in
	inBase  bool   // this process is in base itself
	dir     file
	made    bool // dir was not there before
}

// take makes the Tree's directory in a hierarchy, unless another controller has led there already. An error says why that is not possible.
func (t *Tree) take(s survey, version int, controller string) (*place, error) {
	p, err := t.host.findBase(s, version, controller, t.config.Root)
	if err != nil {
		return nil, err
	}
	for _, known := range t.places {
		if known.path == p.path {
			p.base.close()
			return known, nil
		}
	}
	if err := p.enter(t.host, t.config.Name); err != nil {
		p.dir.close()
		p.base.close()
		return nil, err
	}
	t.places = append(t.places, p)
	return p, nil
}

// findBase finds the group below which this process may make its own.
func (h *host) findBase(s survey, version int, controller, root string) (*place, error) {
	own, mounts, err := s.of(version, controller)
	if err != nil {
		return nil, err
	}
	var first error
	for _, m := range mounts {
		p, err := h.baseIn(m, own, root)
		if err == nil {
			return p, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// baseIn looks in one mount. The group that is found is the one this process is in because the kernel says so, and not because a path leads there.
func (h *host) baseIn(m mount, own, root string) (*place, error) {
	p := &place{version: m.version, base: noFile, dir: noFile}
	group := own
	if root != "" {
		group = root
	}
	var err error
	if p.path, err = m.dirOf(group); err != nil {
		return nil, err
	}
	if p.base, err = openDir(unix.AT_FDCWD, h.prefix+p.path); err != nil {
		return nil, reason(p.path, err)
	}
	if p.inBase, err = p.base.lists(h.pid); err == nil && root == "" {
		switch {
		case !h.isCgroup(p.base, m.version):
			err = fmt.Errorf("something else is mounted over %s", p.path)
		case !p.inBase:
			err = fmt.Errorf("%s does not list this process, although it should be in it", p.path)
		case m.version == 2 && p.path != m.point:
			err = p.rise(h)
		}
	}
	if err != nil {
		p.base.close()
		return nil, reason(p.path, err)
	}
	return p, nil
}

// rise moves on to the group above if systemd has delegated that one to this gateway, having put it in a leaf itself (DelegateSubgroup=).
func (p *place) rise(h *host) error {
	above, err := openDir(p.base, "..")
	if err != nil {
		return nil // a group that is not open to us is not ours
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(above), &st); err != nil || int(st.Uid) != os.Geteuid() || !h.delegated(above) {
		above.close()
		return nil
	}
	p.base.close()
	p.base, p.path, p.inBase = above, path.Dir(p.path), false
	return nil
}

// lists tells whether a process is in the group.
func (f file) lists(pid int) (bool, error) {
	text, err := readAll(f, "cgroup.procs")
	for line := range bytes.Lines(text) {
		if string(bytes.TrimSpace(line)) == strconv.Itoa(pid) {
			return true, nil
		}
	}
	return false, err
}

// enter makes the directory or takes the one that is left from a crashed gateway, and locks it against a living one.
func (p *place) enter(h *host, name string) error {
	switch err := h.mkdir(p.base, name); {
	case err == nil:
		p.made = true
	case !errors.Is(err, os.ErrExist):
		return reason(p.path, err)
	}
	var err error
	if p.dir, err = openDir(p.base, name); err != nil {
		return reason(p.path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(p.dir), &st); err != nil {
		return reason(p.path, err)
	}
	if int(st.Uid) != os.Geteuid() || st.Mode&0o077 != 0 {
		return fmt.Errorf("%s/%s is not this gateway's: it belongs to user %d and has mode %#o", p.path, name, st.Uid, st.Mode&0o777)
	}
	return wrap(p.path+"/"+name, p.lock())
}

// lock waits a little: a child that a gateway was making when it crashed has the lock until it executes its program.
func (p *place) lock() error {
	for until := time.Now().Add(lockTime); ; time.Sleep(lockTime / 100) {
		err := unix.Flock(int(p.dir), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return os.NewSyscallError("flock", err)
		}
		if time.Now().After(until) {
			return ErrInUse
		}
	}
}

// leave removes the directory. One with groups in it stays. The lock goes even if a child that is being made has a copy of the descriptor.
func (p *place) leave(h *host, name string) error {
	_ = unix.Flock(int(p.dir), unix.LOCK_UN)
	if err := h.rmdir(p.base, name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cgroup: %s: %w", p.path, err)
	}
	return nil
}

// reason says in words what the kernel says in numbers.
func reason(path string, err error) error {
	switch {
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("%s is mounted read-only: %w", path, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s belongs to somebody else: %w", path, err)
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("%s may not have more groups below it (cgroup.max.descendants, cgroup.max.depth): %w", path, err)
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%s is threaded (cgroup.type): %w", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}
