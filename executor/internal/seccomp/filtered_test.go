package seccomp

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const childEnv = "SIDEGATE_SECCOMP_TEST_CHILD"

// TestMain runs the tests, or what a test wants to be done by a process that it can lose.
func TestMain(m *testing.M) {
	if what := os.Getenv(childEnv); what == "core" {
		runtime.LockOSThread()
		if err := coreChild(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	} else if what != "" {
		os.Exit(child(what))
	}
	os.Exit(m.Run())
}

// supported skips the test where filters cannot be installed.
func supported(t testing.TB) {
	t.Helper()
	if err := Probe(); err != nil {
		t.Skip(err)
	}
}

// filter assembles the program for this machine.
func filter(t testing.TB, n Network) []unix.SockFilter {
	t.Helper()
	f, err := Assemble(n)
	if err != nil {
		t.Skip(err)
	}
	return f
}

// install puts this thread, and what it starts, under the filter.
func install(f []unix.SockFilter) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return errno
	}
	return nil
}

// filtered runs f on a thread of its own under the filter for the network. The thread ends with f.
func filtered(t testing.TB, n Network, f func()) {
	t.Helper()
	supported(t)
	program := filter(t, n)
	installed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		err := install(program)
		if err == nil {
			f()
		}
		installed <- err
	}()
	if err := <-installed; err != nil {
		t.Fatal("cannot install the filter:", err)
	}
}

// call makes a system call and returns its result and error.
func call(nr uintptr, args ...uintptr) (uintptr, unix.Errno) {
	var a [6]uintptr
	copy(a[:], args)
	r, _, errno := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	return r, errno
}

func hex(args []uintptr) string {
	var s string
	for _, a := range args {
		s += " 0x" + strconv.FormatUint(uint64(a), 16)
	}
	return s
}
