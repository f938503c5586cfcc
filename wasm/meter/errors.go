package meter

import (
	"errors"
	"fmt"
	"strings"
)

// What is wrong with a refused module, for errors.Is.
var (
	// ErrMalformed: the bytes are not a WebAssembly module, or one that no engine may run.
	ErrMalformed = errors.New("malformed module")
	// ErrUnsupported: the module uses a feature outside WebAssembly 2.0, or a name that belongs to the meter.
	ErrUnsupported = errors.New("unsupported module")
	// ErrLimit: the module is larger than [Config] or a fixed limit of this package allows.
	ErrLimit = errors.New("module exceeds a limit")
)

// Error says why a module was refused. It unwraps to [ErrMalformed], [ErrUnsupported] or
// [ErrLimit]. Its text holds no more than 64 bytes of any name that the module chose, quoted.
type Error struct {
	Kind     error
	Offset   int    // in the module, in bytes: where the offending item is, or where reading stopped
	Section  string // "code", "import", …; "" outside any section
	Function int    // index in the module as it was given, or -1 outside function bodies
	Reason   string
}

func (e *Error) Error() string {
	var at strings.Builder
	if e.Section != "" {
		at.WriteString(e.Section + " section, ")
	}
	if e.Function >= 0 {
		fmt.Fprintf(&at, "function %d, ", e.Function)
	}
	return fmt.Sprintf("%sat %#x: %s", at.String(), e.Offset, e.Reason)
}

func (e *Error) Unwrap() error { return e.Kind }

// quote shows a name from the module, shortened: an error goes to logs.
func quote(name string) string {
	const most = 64
	if len(name) > most {
		return fmt.Sprintf("%q…", name[:most])
	}
	return fmt.Sprintf("%q", name)
}
