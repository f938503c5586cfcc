package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const subtreeControl = "cgroup.subtree_control"

// leafSuffix makes the name of the leaf group for the gateway itself. No Name contains a dot.
const leafSuffix = ".gateway"

// enable makes a v2 controller work in the groups of a Tree. The kernel allows that only below a group that has no processes itself, so this
// process steps aside into a leaf where it must. An error says why the controller cannot be had.
func (t *Tree) enable(p *place, controller string) error {
	given, err := readAll(p.base, "cgroup.controllers")
	if err != nil {
		return reason(p.path, err)
	}
	if !slices.Contains(strings.Fields(string(given)), controller) {
		return fmt.Errorf("%s is not given the controller %s, only %q", p.path, controller, bytes.TrimSpace(given))
	}
	on, err := readAll(p.base, subtreeControl)
	if err != nil {
		return reason(p.path, err)
	}
	if !slices.Contains(strings.Fields(string(on)), controller) {
		if err := t.switchOn(p, controller); err != nil {
			return err
		}
	}
	if err := t.host.set(p.dir, subtreeControl, "+"+controller); err != nil {
		return reason(p.path+"/"+t.config.Name, err)
	}
	return nil
}

// switchOn passes a controller of the base on to the groups below it.
func (t *Tree) switchOn(p *place, controller string) error {
	err := t.host.set(p.base, subtreeControl, "+"+controller)
	if errors.Is(err, unix.EBUSY) && p.inBase {
		var back func() error
		if back, err = t.stepAside(p); err != nil {
			return err
		}
		if err = t.host.set(p.base, subtreeControl, "+"+controller); err != nil {
			return errors.Join(explainBusy(p, controller, err), back())
		}
		t.restore = append(t.restore, back)
	}
	if err != nil {
		return explainBusy(p, controller, err)
	}
	t.restore = append(t.restore, func() error {
		err := t.host.set(p.base, subtreeControl, "-"+controller)
		if errors.Is(err, unix.EBUSY) {
			return nil // somebody else has come to use it
		}
		return wrap(p.path, err)
	})
	return nil
}

func explainBusy(p *place, controller string, err error) error {
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%s has processes besides the gateway, so the controller %s cannot be used below it: %w", p.path, controller, err)
	}
	return reason(p.path, err)
}

// stepAside moves this process, with all its threads, into a leaf group next to the Tree's directory.
func (t *Tree) stepAside(p *place) (back func() error, err error) {
	leaf := t.config.Name + leafSuffix
	if err := t.host.mkdir(p.base, leaf); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, reason(p.path, err)
	}
	dir, err := openDir(p.base, leaf)
	if err != nil {
		return nil, reason(p.path, err)
	}
	defer dir.close()
	if err := t.host.set(dir, "cgroup.procs", "0"); err != nil {
		return nil, reason(p.path+"/"+leaf, errors.Join(err, t.host.rmdir(p.base, leaf)))
	}
	p.inBase = false
	return func() error {
		p.inBase = true
		return wrap(p.path, errors.Join(t.host.set(p.base, "cgroup.procs", "0"), t.host.rmdir(p.base, leaf)))
	}, nil
}

// set writes a file of a group once.
func (h *host) set(dir file, name, value string) error {
	f, err := openat(dir, name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer f.close()
	return h.write(f, value)
}

func wrap(path string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
