package spawn

import (
	"fmt"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// noID is -1, which the set*id calls take for "leave unchanged".
const noID = 1<<32 - 1

// check refuses a Spec that contradicts itself, and what would silently have no effect.
func (s *Spec) check() error {
	switch {
	case !supported():
		return &Error{StepSpec, ErrUnsupported}
	case len(s.Argv) == 0:
		return invalid("argv is empty")
	case s.Executable == nil:
		return invalid("no executable")
	case slices.Contains(s.Stdio[:], nil):
		return invalid("standard input, output or error is missing")
	case len(s.Filter) > unix.BPF_MAXINSNS: // the length that the kernel is told has 16 bits
		return invalid("the seccomp program has more than %d instructions", unix.BPF_MAXINSNS)
	case s.Filter != nil && len(s.Filter) == 0:
		return invalid("the seccomp program is empty")
	case len(s.Tasks) > maxTasks || slices.Contains(s.Tasks, nil):
		return invalid("more than %d tasks files, or one that is missing", maxTasks)
	}
	if id := s.Identity; id != nil && (id.UID == noID || id.GID == noID) {
		return invalid("the user or group -1 is none")
	}
	if s.Namespaces == nil {
		return nil
	}
	return s.Namespaces.check(s)
}

func (n *Namespaces) check(s *Spec) error {
	switch {
	case n.Network != nil && n.NewNetwork:
		return invalid("a network namespace cannot be both joined and new")
	case !n.Mount && (n.Proc || len(n.Hidden) > 0 || n.Workdir != ""):
		return invalid("mounts without a mount namespace would change the host's")
	case !n.PID && n.Proc:
		return invalid("a fresh /proc without a pid namespace shows the host's")
	case n.ProcRights != 0 && (!n.Proc || s.Landlock == nil):
		return invalid("rights on a fresh /proc without the fresh /proc or the ruleset")
	case n.Mount && (n.Workdir == "" || s.Dir == nil):
		return invalid("a mount namespace without the path and the descriptor of the working directory")
	case n.User != nil && (n.User.UID == noID || n.User.GID == noID):
		return invalid("the user or group -1 is none")
	}
	for _, path := range append([]string{n.Workdir}, n.Hidden...) {
		if path != "" && (!filepath.IsAbs(path) || filepath.Clean(path) != path) {
			return invalid("path %q is not absolute and clean", path)
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return &Error{StepSpec, fmt.Errorf(format+": %w", append(args, syscall.EINVAL)...)}
}
