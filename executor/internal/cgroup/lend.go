package cgroup

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// smallRest is how much memory, in bytes, may still be charged to a group that is used again, without asking what it is. The kernel alone keeps
	// some 256 KiB per processor in advance.
	smallRest = 1 << 20
	// restShare is the part of a job's limit that a former job's rest may take.
	restShare = 16
)

// counters are what the kernel has counted for a group. It does not begin anew for the next job.
type counters struct {
	oom, refused int64
	peak         int64 // 0 if the kernel begins anew after all
}

// rest is the memory that is charged to a group without processes, in bytes, and the part of it that would not go away by itself.
type rest struct{ used, firm int64 }

// fits tells whether a job with the limit would not notice.
func (r rest) fits(limit int64) bool {
	return limit == 0 || r.used <= limit && r.firm <= limit/restShare
}

// lend returns a group with the limits set.
func (t *Tree) lend(l Limits) (*slot, error) {
	s, err := t.obtain(l.Memory)
	if err == nil {
		if err = s.prepare(l); err == nil {
			return s, nil
		}
		err = errors.Join(err, t.discard(s))
	}
	if !errors.Is(err, ErrClosed) {
		t.pool.returned()
	}
	return nil, err
}

func (t *Tree) obtain(limit int64) (*slot, error) {
	s, clean, err := t.pool.pick(limit)
	if err != nil || clean {
		return s, err
	}
	if s != nil {
		clean, err := s.inspect()
		if err == nil && clean && s.rest.fits(limit) {
			return s, nil
		}
		if err := t.shelve(s, clean, err); err != nil {
			t.config.Logger.Warn("cgroup: a group cannot be used again", "group", s.name, "error", err)
		}
	}
	return t.build()
}

// takeBack looks at a group that was lent and decides what becomes of it.
func (t *Tree) takeBack(s *slot) error {
	defer t.pool.returned()
	clean, err := s.inspect()
	return t.shelve(s, clean, err)
}

// shelve does with a group what inspect says of it.
func (t *Tree) shelve(s *slot, clean bool, err error) error {
	switch {
	case errors.Is(err, ErrPopulated):
		s.close()
		t.pool.abandon(s.name)
		return fmt.Errorf("group %s: %w", s.name, err)
	case errors.Is(err, errSpoiled):
		return t.discard(s)
	case err != nil:
		return errors.Join(err, t.discard(s))
	}
	t.store(s, clean)
	return nil
}

// store keeps a group. That the one it replaces cannot be removed is not the affair of whoever brings this one.
func (t *Tree) store(s *slot, clean bool) {
	if surplus := t.pool.keep(s, clean, t.config.Idle); surplus != nil {
		t.discardQuietly(surplus)
	}
}

func (t *Tree) discardQuietly(s *slot) {
	if err := t.discard(s); err != nil {
		t.config.Logger.Warn("cgroup: a group cannot be removed", "group", s.name, "error", err)
	}
}

func (t *Tree) discard(s *slot) error {
	err := s.remove()
	if err != nil {
		t.pool.abandon(s.name)
	}
	return err
}

// errSpoiled says that a group must not be used again, because the job has made groups in it, which only one with the gateway's rights can, or because
// it was killed: into a group that was once written "1" to cgroup.kill no child can be born any more. The kernel compares how often the group of the
// parent and that of the child were killed, and kills the child if the numbers differ (kill_seq in kernel/cgroup/cgroup.c; seen on Linux 6.18).
var errSpoiled = errors.New("cgroup: the group cannot be used again")

// inspect finds out what a group still holds, and whether it can be used again at once. An error means never.
func (s *slot) inspect() (clean bool, err error) {
	running, counted, err := s.occupancy(0)
	if err != nil {
		return false, err
	}
	if running {
		return false, ErrPopulated
	}
	if s.killed.Load() {
		return false, errSpoiled
	}
	var st unix.Stat_t
	for _, dir := range s.dirs {
		if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
			return false, err
		}
		if st.Nlink > 2 {
			return false, errSpoiled
		}
	}
	s.rest = rest{}
	if s.tree.memory != nil {
		s.rest, err = s.memory.rest()
	}
	return !counted && s.rest.firm <= smallRest, err
}

// prepare makes a group ready for a job. Nothing that a former job could have changed is taken for granted.
func (s *slot) prepare(l Limits) (err error) {
	s.before = counters{}
	if s.tree.memory != nil {
		if err := s.memory.limit(s.tree.host, l.Memory); err != nil {
			return fmt.Errorf("cgroup: memory limit: %w", err)
		}
		if s.before.oom, err = s.memory.kills(); err != nil {
			return err
		}
		if s.before.peak, err = s.memory.restart(s.tree.host); err != nil {
			return err
		}
	}
	if s.tree.pids != nil {
		if err := s.pids.limit(s.tree.host, l.PIDs); err != nil {
			return fmt.Errorf("cgroup: limit of processes: %w", err)
		}
		s.before.refused, err = s.pids.refusals()
	}
	return err
}
