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
	StepOutput  = "output"  // pipes or /dev/null could not be opened
	StepStart   = "start"   // fork, change of user, change of directory or execve failed, or the context had ended before
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
	ErrFormat        = errors.New("the program is neither in a format the kernel executes nor a script with a #! line")
	// ErrCancelledBeforeStart says that the context had ended before the program was started. The error wraps context.Cause too.
	ErrCancelledBeforeStart = errors.New("the job was cancelled before it started")

	ErrMayNotSwitch = errors.New("the gateway may not switch users (it has neither root nor CAP_SETUID and CAP_SETGID)")
)

// ErrSurvivors is returned by Sweep when processes were still found after it had tried for some seconds.
var ErrSurvivors = errors.New("processes of the job are still running")
