package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Sweep kills every process in the groups that a crashed gateway of the same name has left, and in those of this Tree that were given back while
// they were not empty, and removes the groups. It returns how many processes it has killed. If some of a group are still there after 5 s the error
// wraps [ErrPopulated].
func (t *Tree) Sweep(ctx context.Context) (killed int, err error) {
	if t.pool.isClosed() {
		return 0, ErrClosed
	}
	names, err := t.stale()
	errs := []error{err}
	for _, name := range names {
		n, err := t.sweepGroup(ctx, name)
		killed += n
		if err != nil {
			errs = append(errs, fmt.Errorf("group %s: %w", name, err))
			if strings.HasPrefix(name, t.run) {
				t.pool.abandon(name)
			}
		}
	}
	return killed, errors.Join(errs...)
}

// stale returns the names of the groups that nobody uses.
func (t *Tree) stale() (names []string, err error) {
	var errs []error
	for _, p := range t.places {
		found, err := directories(p.dir)
		names = append(names, found...)
		errs = append(errs, err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, t.run) })
	slices.Sort(names)
	return append(slices.Compact(names), t.pool.abandoned()...), errors.Join(errs...)
}

// sweepGroup empties and removes one group in every hierarchy that has it.
func (t *Tree) sweepGroup(ctx context.Context, name string) (killed int, err error) {
	var groups []target
	defer func() {
		for _, g := range groups {
			g.dir.close()
		}
	}()
	for _, p := range t.places {
		if dir, err := openDir(p.dir, name); err == nil {
			groups = append(groups, target{version: p.version, dir: dir})
		}
	}
	killed, err = t.host.clear(ctx, groups)
	if err != nil {
		return killed, err
	}
	var errs []error
	for _, p := range t.places {
		if err := t.host.removeGroup(p.dir, name); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return killed, errors.Join(errs...)
}
