package cgroup

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"regexp"
	"slices"
)

// DefaultName is the name of the directory that holds a Tree's groups.
const DefaultName = "sidegate"

// Config says where groups are made. It is validated by Open and not read again.
type Config struct {
	// Name is the directory of this gateway, and has to differ between gateways on one host: 1 to 64 lower-case letters, digits, '-' and '_'.
	// "" means DefaultName.
	Name string
	// Root is the control group, as /proc/self/cgroup writes it ("/sidegate.slice"), below which the directory is made in every hierarchy. It has
	// to exist, and to be nobody else's. "" means the group that this process is in or, if systemd has delegated the group above, that one.
	Root string
	// Idle bounds how many groups are kept for reuse: the number of jobs that run at once. 0 means that every group is made anew.
	Idle int
	// Logger gets what concerns the host and not the job: a group that cannot be removed. nil means none.
	Logger *slog.Logger

	host *host // nil means the kernel
}

var nameForm = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

func (c *Config) complete() error {
	if c.Name == "" {
		c.Name = DefaultName
	}
	if !nameForm.MatchString(c.Name) {
		return fmt.Errorf("cgroup: the name %q is not 1 to 64 lower-case letters, digits, '-' and '_'", c.Name)
	}
	if c.Root != "" && (!path.IsAbs(c.Root) || path.Clean(c.Root) != c.Root) {
		return fmt.Errorf("cgroup: the root %q is not an absolute, clean path", c.Root)
	}
	if c.Idle < 0 {
		return fmt.Errorf("cgroup: %d idle groups", c.Idle)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.host == nil {
		c.host = kernel()
	}
	return nil
}

// Tree makes groups for jobs. It is safe for concurrent use. Close gives back what it has taken.
type Tree struct {
	config Config
	host   *host
	run    string // what the names of this Tree's groups begin with

	places  []*place // every hierarchy in use, once
	unified *place   // the v2 hierarchy, nil without one
	memory  *place   // where memory is limited, nil if nowhere
	pids    *place
	support Support
	restore []func() error // how to undo what was changed outside the directories, in the order it was done

	pool pool
}

// Open finds out what this process may do with control groups and makes its directory in each hierarchy that is of use. That nothing is possible is no
// error: Support then says why. Where the v2 controllers can only be had so, the calling process is moved into a leaf group of its own; no
// other process is ever moved. An error means a bad configuration or wraps [ErrInUse].
//
// Groups that a crashed gateway of the same name has left stay as they are until Sweep.
func Open(c Config) (*Tree, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	var id [4]byte
	rand.Read(id[:]) // never fails
	t := &Tree{config: c, host: c.host, run: hex.EncodeToString(id[:]) + "-"}
	if err := t.settle(); err != nil {
		defer t.closePlaces()
		return nil, errors.Join(err, t.leave())
	}
	return t, nil
}

// Support says what this Tree can do.
func (t *Tree) Support() Support { return t.support }

// Close removes all groups that are not in use, and the directory if nothing is left in it, and undoes what Open did. Groups in use, and those that
// Sweep would find, stay and are an error. Calls after the first do nothing.
func (t *Tree) Close() error {
	slots, lent, first := t.pool.shut()
	if !first {
		return nil
	}
	var errs []error
	for _, s := range slots {
		errs = append(errs, s.remove())
	}
	errs = append(errs, t.leave())
	if lent > 0 {
		// The directories stay open for when these are given back.
		return errors.Join(append(errs, fmt.Errorf("cgroup: %d groups are in use", lent))...)
	}
	t.closePlaces()
	return errors.Join(errs...)
}

func (t *Tree) closePlaces() {
	for _, p := range t.places {
		p.dir.close()
		p.base.close()
	}
}

// leave removes the directories and undoes the rest.
func (t *Tree) leave() error {
	var errs []error
	for _, p := range t.places {
		errs = append(errs, p.leave(t.host, t.config.Name))
	}
	for _, undo := range slices.Backward(t.restore) {
		errs = append(errs, undo())
	}
	return errors.Join(errs...)
}
