package landlock

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// keepFor is how long a ruleset is given out again. A ruleset holds the files of its rules, so that their numbers come to name no others, but
	// loses them when their file system is unmounted, and a later one could have its number.
	keepFor = lookAgain
	// keepMost is how many rulesets are kept: a job each that runs at once, as a rule.
	keepMost = 64
	// keepRules is how many extra rules a ruleset has at most that is kept: the files of all of them are open at once then, for each job that starts.
	keepRules = 16
)

// kept are rulesets with extra rules, by what these rules are. Jobs that follow each other in the same private directory, with the same program, have the
// same rules, and to make a ruleset anew takes a system call for each of 60 rules.
type kept struct {
	rulesets map[string]keptRuleset
}

type keptRuleset struct {
	fd   int
	made time.Time
}

// nameOf names the ruleset that has the extra rules of these entries: the files, and what is granted for each.
func nameOf(o Options, extra []entry) string {
	name := make([]byte, 0, 1+len(extra)*3*8)
	if o.Network {
		name = append(name, 1)
	} else {
		name = append(name, 0)
	}
	for i := range extra {
		e := &extra[i]
		if e.missing {
			continue
		}
		for _, n := range [...]uint64{e.inode.dev, e.inode.ino, e.access} {
			name = binary.NativeEndian.AppendUint64(name, n)
		}
	}
	return string(name)
}

// take returns a descriptor of the ruleset of that name, if there is one.
func (k *kept) take(name string, now time.Time) (fd int, ok bool, err error) {
	r, ok := k.rulesets[name]
	if !ok || now.Sub(r.made) >= keepFor {
		return -1, false, nil
	}
	fd, err = again(r.fd)
	return fd, err == nil, err
}

// put keeps another descriptor of a ruleset. It closes this one where it fails.
func (k *kept) put(name string, fd int, now time.Time) error {
	own, err := again(fd)
	if err != nil {
		unix.Close(fd)
		return err
	}
	k.makeRoom(name, now)
	if k.rulesets == nil {
		k.rulesets = map[string]keptRuleset{}
	}
	k.rulesets[name] = keptRuleset{fd: own, made: now}
	return nil
}

// makeRoom lets go of the one of that name, of those that are too old, and of the oldest where there are too many.
func (k *kept) makeRoom(name string, now time.Time) {
	for n, r := range k.rulesets {
		if n == name || now.Sub(r.made) >= keepFor {
			k.forget(n)
		}
	}
	for len(k.rulesets) >= keepMost {
		k.forget(slices.MinFunc(slices.Collect(maps.Keys(k.rulesets)), func(a, b string) int { return k.rulesets[a].made.Compare(k.rulesets[b].made) }))
	}
}

func (k *kept) forget(name string) {
	unix.Close(k.rulesets[name].fd)
	delete(k.rulesets, name)
}

func (k *kept) drop() {
	for name := range k.rulesets {
		k.forget(name)
	}
}

// again returns another descriptor of the same ruleset.
func again(fd int) (int, error) {
	other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("landlock: another descriptor of a ruleset: %w", err)
	}
	return other, nil
}
