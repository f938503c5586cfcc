package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Report says what this host can hold a command with.
type Report struct {
	Way      Way // how children are made
	Landlock int // the version of Landlock's interface; 0 for none
	// Groups says by which means control groups kill and limit, or why they do not.
	Groups   Groups
	Profiles []Support // weakest first
}

// Groups says of each use of control groups how it is done here, or why not.
type Groups struct {
	Available          bool // every job is in a group of its own
	Kill, Memory, PIDs string
}

// Report returns what was found at start. What it returns belongs to the caller.
func (r *Runner) Report() Report {
	b := r.sandbox
	report := Report{Way: b.way, Landlock: b.landlock.ABI, Profiles: r.Profiles()}
	if b.groups == nil {
		why := b.lacks[ProfileConfined][featureCgroup]
		report.Groups = Groups{Kill: why, Memory: why, PIDs: why}
		return report
	}
	report.Groups = Groups{Available: true, Kill: b.limits.Kill.How, Memory: b.limits.Memory.How, PIDs: b.limits.PIDs.How}
	return report
}

// Inspect finds out what a Runner with this configuration would have, without one: WorkRoot is replaced by a directory that is removed again.
func Inspect(c Config) (_ Report, err error) {
	dir, err := os.MkdirTemp("", "sidegate-inspect-")
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o711); err != nil {
		return Report{}, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return Report{}, err
	}
	c.WorkRoot = filepath.Join(dir, "work")
	r, err := New(c)
	if err != nil {
		return Report{}, err
	}
	report := r.Report()
	return report, r.Close()
}

// Holds tells whether a process belongs to a job, as far as control groups tell: where there are none it answers false. An error means that the process
// is gone, or cannot be looked at.
func (r *Runner) Holds(pid int) (bool, error) {
	if r.sandbox.groups == nil {
		return false, nil
	}
	held, err := r.sandbox.groups.Holds(pid)
	if err != nil {
		return false, fmt.Errorf("executor: looking for the group of process %d: %w", pid, err)
	}
	return held, nil
}
