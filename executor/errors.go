package executor

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnavailable is wrapped by the error of a job whose profile cannot be enforced here. The error is an [*UnavailableError].
var ErrUnavailable = errors.New("sandbox profile is not available")

// UnavailableError says which features a demanded profile lacks.
type UnavailableError struct {
	Profile Profile
	Missing []string
	Reasons map[string]string // by feature
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%v: %s lacks %s", ErrUnavailable, e.Profile, strings.Join(e.Missing, ", "))
}

func (e *UnavailableError) Unwrap() error { return ErrUnavailable }

// Steps of starting a job, as StartError names them.
const (
	StepJob     = "job"     // the job is not complete or contradicts itself
	StepUser    = "user"    // the user is unknown, or the gateway may not become that user
	StepProgram = "program" // the program is gone, replaced or not executable
	StepWorkdir = "workdir" // the working directory is gone, reached through a symbolic link, or could not be made
	StepFiles   = "files"   // a path that the job lists is gone, or belongs to the gateway
	StepGroup   = "cgroup"  // no control group could be made
	StepInput   = "input"   // what the command reads could not be opened
	StepOutput  = "output"  // pipes could not be opened
	StepStart   = "start"   // the child could not be made, or failed at the step that the error names, or the context had ended before
)

// StartError is the error of a job that was never started.
type StartError struct {
	Step string
	Err  error
}

func (e *StartError) Error() string {
	return "cannot start the command: " + e.Step + ": " + e.Err.Error()
}

func (e *StartError) Unwrap() error { return e.Err }

// Reasons for not starting a job that a caller may want to tell apart.
var (
	ErrReplaced      = errors.New("the program is not the file that was analyzed")
	ErrNotExecutable = errors.New("the program is not an executable regular file")
	ErrForeignLink   = errors.New("the path leads through a symbolic link that others than root and the gateway's user can place")
	ErrProtected     = errors.New("the path belongs to the gateway itself, and no job may use it")
	ErrInterpreters  = errors.New("the program is a script whose interpreter is a script, and so on, deeper than the kernel follows")
	ErrRelative      = errors.New("the path is not absolute")
	ErrFormat        = errors.New("the program is neither in a format the kernel executes nor a script with a #! line")
	// ErrCancelledBeforeStart says that the context had ended before the program was started. The error wraps context.Cause too.
	ErrCancelledBeforeStart = errors.New("the job was cancelled before it started")

	ErrMayNotSwitch = errors.New("the gateway may not switch users (it has neither root nor CAP_SETUID and CAP_SETGID)")
)

// ErrSurvivors is returned by Sweep when processes were still found after it had tried for some seconds.
var ErrSurvivors = errors.New("processes of the job are still running")
