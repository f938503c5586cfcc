package landlock

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// supported skips the test where there is no Landlock.
func supported(t testing.TB) Support {
	t.Helper()
	s, err := Probe()
	if errors.Is(err, ErrNotBuilt) || errors.Is(err, ErrDisabled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open opens a template that is closed after the test.
func open(t testing.TB, rules ...Rule) *Template {
	t.Helper()
	template, _, err := Open(rules)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { template.Close() })
	return template
}

// ruleset makes a ruleset that is closed after the test.
func ruleset(t testing.TB, template *Template, o Options, extra ...Rule) *os.File {
	t.Helper()
	f, _, err := template.Ruleset(o, extra...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// restricted runs f on a thread of its own under the ruleset. The thread ends with f: Landlock restricts the thread that asks for it and what it starts.
func restricted(t testing.TB, ruleset *os.File, f func()) {
	t.Helper()
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		failed <- func() error {
			if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
				return err
			}
			if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset.Fd(), 0, 0); errno != 0 {
				return errno
			}
			f()
			return nil
		}()
	}()
	if err := <-failed; err != nil {
		t.Fatal("cannot restrict a thread:", err)
	}
}
