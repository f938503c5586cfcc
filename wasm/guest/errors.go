package guest

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says why a call failed.
type Kind string

// The kinds of failures.
const (
	KindFuel        Kind = "fuel"         // it executed more instructions than it may
	KindDeadline    Kind = "deadline"     // it took too long
	KindMemory      Kind = "memory"       // it ended badly after its memory could not grow
	KindDepth       Kind = "depth"        // its calls went too deep
	KindOutputLimit Kind = "output_limit" // it wrote more than it may
	KindLogLimit    Kind = "log_limit"    // it logged more than it may
	KindTrap        Kind = "trap"         // it trapped
	KindExit        Kind = "exit"         // it called proc_exit
	KindABI         Kind = "abi"          // it returned what is no verdict, or not in this phase
	KindBusy        Kind = "busy"         // no instance was free within the deadline
	KindCancelled   Kind = "cancelled"    // the caller's context ended
)

var (
	// ErrPhase: the plugin does not export the phase it is called for.
	ErrPhase = errors.New("guest: the plugin has no such phase")
	// ErrGivenUp: a module was not compiled within the time that there was for it.
	ErrGivenUp = errors.New("guest: compiling was given up")
	// ErrClosed: the plugin has been closed.
	ErrClosed = errors.New("guest: the plugin is closed")
	// ErrFetchRefused is what a Fetch function wraps when it does not allow the destination or
	// the request; the guest then gets errno REFUSED, and NETWORK for any other error.
	ErrFetchRefused = errors.New("guest: fetch refused")
)

// A Failure is a call that ended without a verdict. The instance is gone; the pool goes on.
type Failure struct {
	Plugin string
	Phase  Phase
	Kind   Kind
	Err    error // one line; what it holds of the guest's text is printable and cut
}

func (f *Failure) Error() string {
	return fmt.Sprintf("plugin %s: %s: %s: %v", f.Plugin, f.Phase, f.Kind, f.Err)
}

func (f *Failure) Unwrap() error { return f.Err }

// A LoadError is a module that cannot be used, or not as it is configured.
type LoadError struct {
	Plugin  string
	Problem string
	Fix     string // what the author or operator can do about it; may be ""
	Err     error  // what lies below; may be nil
}

func (e *LoadError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plugin %s: %s", e.Plugin, e.Problem)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Fix != "" {
		fmt.Fprintf(&b, " (%s)", e.Fix)
	}
	return b.String()
}

func (e *LoadError) Unwrap() error { return e.Err }

// A RefusedError is a configuration that the plugin's sidegate_init did not accept.
type RefusedError struct {
	Plugin string
	Reason string // what the plugin gave with fail, printable and cut; may be ""
}

func (e *RefusedError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("plugin %s refuses its configuration without saying why", e.Plugin)
	}
	return fmt.Sprintf("plugin %s refuses its configuration: %s", e.Plugin, e.Reason)
}
