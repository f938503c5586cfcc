package cgroup

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Limits are upper bounds on what a group may use. Zero means as much as the host has.
type Limits struct {
	Memory int64 // bytes, swap included where Support.Swap says so
	PIDs   int64 // processes and threads, ended ones that nobody has waited for included
}

// Group is the place of one job, until Close. It is safe for concurrent use; the files that Dir and Tasks return belong to it and are gone after Close.
type Group struct {
	tree *Tree

	mu   sync.RWMutex
	slot *slot // nil after Close
}

// Make gives out an empty group with the given limits. A limit that cannot be set here is an error that wraps [ErrUnsupported].
func (t *Tree) Make(l Limits) (*Group, error) {
	switch {
	case !t.support.Kill.Available:
		return nil, fmt.Errorf("%w: %s", ErrUnsupported, t.support.Kill.How)
	case l.Memory < 0 || l.PIDs < 0:
		return nil, fmt.Errorf("cgroup: a limit is negative: %+v", l)
	case l.Memory > 0 && !t.support.Memory.Available:
		return nil, fmt.Errorf("%w: memory limit: %s", ErrUnsupported, t.support.Memory.How)
	case l.PIDs > 0 && !t.support.PIDs.Available:
		return nil, fmt.Errorf("%w: limit of processes: %s", ErrUnsupported, t.support.PIDs.How)
	}
	s, err := t.lend(l)
	if err != nil {
		return nil, err
	}
	return &Group{tree: t, slot: s}, nil
}

// hold keeps the group from being given back while it is used.
func (g *Group) hold() (s *slot, release func(), err error) {
	g.mu.RLock()
	if g.slot == nil {
		g.mu.RUnlock()
		return nil, nil, ErrClosed
	}
	return g.slot, g.mu.RUnlock, nil
}

// Dir returns the v2 directory, for CLONE_INTO_CGROUP, or nil where there is none.
func (g *Group) Dir() *os.File {
	s, release, err := g.hold()
	if err != nil {
		return nil
	}
	defer release()
	return s.into
}

// Tasks returns the v1 files, open for writing, into which a child has to write "0" to be in the group. They are none, one or two.
func (g *Group) Tasks() []*os.File {
	s, release, err := g.hold()
	if err != nil {
		return nil
	}
	defer release()
	return s.tasks
}

// Kill kills every process in the group and returns when all have ended, which does not mean that somebody has waited for them. If some are still there
// after 5 s the error wraps [ErrPopulated]. ended is how many processes of the group the caller knows to have ended and has not waited for: where nothing
// else is counted there is nothing to look for.
func (g *Group) Kill(ended int) error {
	s, release, err := g.hold()
	if err != nil {
		return err
	}
	defer release()
	return s.kill(int64(ended))
}

// Empty tells whether every process of the group has ended.
func (g *Group) Empty() (bool, error) {
	s, release, err := g.hold()
	if err != nil {
		return false, err
	}
	defer release()
	populated, err := s.populated()
	return !populated, err
}

// Wait returns when every process of the group has ended, or with the context's error.
func (g *Group) Wait(ctx context.Context) error {
	s, release, err := g.hold()
	if err != nil {
		return err
	}
	defer release()
	return s.await(ctx)
}

// OOM tells whether the kernel has ended a process of the group for want of memory.
func (g *Group) OOM() (bool, error) {
	s, release, err := g.hold()
	if err != nil {
		return false, err
	}
	defer release()
	if s.tree.memory == nil {
		return false, fmt.Errorf("%w: %s", ErrUnsupported, s.tree.support.Memory.How)
	}
	n, err := s.memory.kills()
	return n > s.before.oom, err
}

// PIDsRefused tells whether a process or thread could not be made because of Limits.PIDs, or of a limit on a group above.
func (g *Group) PIDsRefused() (bool, error) {
	s, release, err := g.hold()
	if err != nil {
		return false, err
	}
	defer release()
	if s.tree.pids == nil {
		return false, fmt.Errorf("%w: %s", ErrUnsupported, s.tree.support.PIDs.How)
	}
	n, err := s.pids.refusals()
	return n > s.before.refused, err
}

// Peak returns the most memory that was charged to the group at one time, in bytes, page cache included. It is not known on kernels that do not say,
// and for groups that were used before on v2 kernels before Linux 6.12.
func (g *Group) Peak() (bytes int64, known bool) {
	s, release, err := g.hold()
	if err != nil || s.tree.memory == nil {
		return 0, false
	}
	defer release()
	if s.memory.peak == noFile {
		return 0, false
	}
	n, err := s.memory.peak.number()
	return n, err == nil && n > s.before.peak
}

// Close gives the group back. Nothing of the job may be left: if a process is, the error wraps [ErrPopulated], and the group is kept from being used again until
// Sweep. It is best called after the job's first process has been waited for, because a group with unreaped processes has to wait before it is
// used again. Calls after the first do nothing.
func (g *Group) Close() error {
	g.mu.Lock()
	s := g.slot
	g.slot = nil
	g.mu.Unlock()
	if s == nil {
		return nil
	}
	return g.tree.takeBack(s)
}

// Holds tells whether a process is in one of the Tree's groups. A process that is gone is an error that wraps [os.ErrNotExist] or [unix.ESRCH].
func (t *Tree) Holds(pid int) (bool, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return false, err
	}
	v2, v1, err := parseMemberships(text)
	if err != nil {
		return false, err
	}
	if v2 != nil {
		v1 = append(v1, *v2)
	}
	for _, m := range v1 {
		if slices.Contains(strings.Split(m.path, "/"), t.config.Name) {
			return true, nil
		}
	}
	return false, nil
}
