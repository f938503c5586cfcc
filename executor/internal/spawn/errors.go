package spawn

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrUnsupported is returned where a way of making a child does not exist: Vfork on other processors than amd64 and arm64, and the
	// helper where nobody has looked at its system calls.
	ErrUnsupported = errors.New("not supported on this processor")
	// ErrNotDumpable is why Vfork cannot make a user namespace for a gateway whose memory is protected (PR_SET_DUMPABLE 0): the child shares
	// that memory, so its /proc/self/uid_map belongs to root. The helper can.
	ErrNotDumpable = errors.New("a child that shares the memory of a process that is not dumpable cannot write its user map")
)

// errTooLate is the error of a child that did not get to its execve(2) in time, because a file system hangs or somebody stopped it.
var errTooLate = fmt.Errorf("killed, because it took too long: %w", syscall.ETIMEDOUT)

// Step is one step of making a child.
type Step uint8

// The steps, in the order in which they are taken.
const (
	StepSpec         Step = iota + 1 // the Spec contradicts itself
	StepHelper                       // the helper process did not start, or did not answer
	StepClone                        // the child was not made; its namespaces and its cgroup v2 are part of that
	StepUserMap                      // the maps of the user namespace
	StepTasks                        // cgroup v1
	StepNetwork                      // joining the network namespace
	StepMounts                       // private propagation, hidden directories
	StepProc                         // the fresh /proc, and the Landlock rule for it
	StepSession                      // setsid
	StepSignals                      // default dispositions, an empty mask
	StepStdio                        // descriptors 0, 1, 2
	StepBoundingSet                  // of capabilities
	StepIdentity                     // groups, group, user
	StepCapabilities                 // the other sets
	StepDir                          // the working directory, entered as that user; ESTALE: its path leads to another one now
	StepRlimits                      // setrlimit
	StepNoNewPrivs                   // as for all the rest, see prctl(2), landlock(7), seccomp(2)
	StepLandlock
	StepSeccomp
	StepDescriptors // a table of its own at first, close-on-exec for all others at last
	StepExec        // execveat
	stepEnd
)

var stepNames = [stepEnd]string{
	StepSpec: "spec", StepHelper: "helper", StepClone: "clone", StepUserMap: "user map", StepTasks: "cgroup tasks", StepNetwork: "network",
	StepMounts: "mounts", StepProc: "proc", StepSession: "session", StepSignals: "signals", StepStdio: "stdio", StepDir: "working directory",
	StepRlimits: "rlimits", StepBoundingSet: "bounding set", StepIdentity: "identity", StepCapabilities: "capabilities",
	StepNoNewPrivs: "no_new_privs", StepLandlock: "landlock", StepSeccomp: "seccomp", StepDescriptors: "descriptors", StepExec: "exec",
}

// String is how the step is called in messages.
func (s Step) String() string {
	if s == 0 || s >= stepEnd {
		return fmt.Sprintf("step %d", uint8(s))
	}
	return stepNames[s]
}

// Error says which step failed. A step that the kernel refused wraps its syscall.Errno.
type Error struct {
	Step Step
	Err  error
}

func (e *Error) Error() string { return e.Step.String() + ": " + e.Err.Error() + e.hint() }

func (e *Error) Unwrap() error { return e.Err }

// hint says more of the errors of execveat(2) that mislead. A script cannot be executed from a descriptor that is closed by that, because its
// interpreter would not find it.
func (e *Error) hint() string {
	switch {
	case e.Step != StepExec:
		return ""
	case errors.Is(e.Err, syscall.ENOENT):
		return " (a script, or the loader that the program names does not exist)"
	case errors.Is(e.Err, syscall.ENOEXEC):
		return " (not in a format that the kernel executes)"
	}
	return ""
}
