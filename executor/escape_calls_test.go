package executor

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// invoke makes a system call.
func invoke(nr uintptr, args ...uintptr) (uintptr, error) {
	var a [6]uintptr
	copy(a[:], args)
	r, _, errno := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	if errno != 0 {
		return r, errno
	}
	return r, nil
}

// pinned is what the arguments of system calls point to. A try is made once, so it is never let go of.
var pinned []any

// address is a pointer as an argument.
func address[T any](v *T) uintptr {
	pinned = append(pinned, v)
	return uintptr(unsafe.Pointer(v))
}

// text is a C string as an argument.
func text(s string) uintptr {
	b, err := unix.BytePtrFromString(s)
	if err != nil {
		panic(err)
	}
	return address(b)
}

// rawCall is a system call of a child that does nothing but system calls.
type rawCall struct {
	nr   uintptr
	args [6]uintptr
}

func raw(nr uintptr, args ...uintptr) rawCall {
	c := rawCall{nr: nr}
	copy(c.args[:], args)
	return c
}

// cloneBy is a system call that makes a child, with its arguments: clone(2) or clone3(2).
type cloneBy struct{ nr, first, second uintptr }

func cloning(flags uintptr) cloneBy { return cloneBy{unix.SYS_CLONE, flags | uintptr(unix.SIGCHLD), 0} }

// inChild makes the calls in a child with one thread, which some of them need, and returns the error of the first that fails.
func inChild(calls ...rawCall) error { return inChildOf(cloning(0), calls...) }

func inChildOf(by cloneBy, calls ...rawCall) error {
	pid, errno := forkRaw(by, calls)
	if errno != 0 {
		return errno
	}
	return awaitRaw(pid)
}

func awaitRaw(pid int) error {
	var ws unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("wait: %w", err)
		case ws.Signaled():
			return fmt.Errorf("killed by %s", signalName(ws.Signal()))
		case ws.ExitStatus() != 0:
			return unix.Errno(ws.ExitStatus())
		}
		return nil
	}
}

// forkRaw makes a child with a copy of this memory, of which it uses the stack and nothing of the runtime. The child ends with the number of its error.
//
//go:noinline
//go:norace
//go:nocheckptr
func forkRaw(by cloneBy, calls []rawCall) (pid int, errno syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(by.nr, by.first, by.second, 0, 0, 0, 0)
	if errno != 0 || r != 0 {
		return int(r), errno
	}
	runRaw(calls)
	return 0, 0
}

//go:nosplit
//go:norace
//go:nocheckptr
func runRaw(calls []rawCall) {
	var errno syscall.Errno
	for i := range calls {
		c := &calls[i]
		if _, _, errno = syscall.RawSyscall6(c.nr, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5]); errno != 0 {
			break
		}
	}
	for {
		syscall.RawSyscall6(unix.SYS_EXIT_GROUP, uintptr(errno), 0, 0, 0, 0, 0)
	}
}

// statusOf returns a line of /proc/PID/status.
func statusOf(pid int, key string) (string, error) {
	status, err := os.ReadFile(procDir(pid) + "/status")
	if err != nil {
		return "", err
	}
	return lineOf(status, key), nil
}

// lineOf returns the value of a key, "" for none.
func lineOf(status []byte, key string) string {
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// withoutNamespaces is the excuse of who may not make a user namespace, or why nobody may.
func withoutNamespaces(*scene) string {
	if err := inChild(raw(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)); err != nil {
		return "no user namespaces for this user: " + err.Error()
	}
	return ""
}

// asAdmin makes the calls with the rights of an administrator, as far as they are to be had without a sandbox: in namespaces of its own, so that
// nothing of the host is changed. In a sandbox nothing is made first, so that what is refused is the call itself.
func asAdmin(s *scene, calls ...rawCall) error {
	if !s.free() {
		return inChild(calls...)
	}
	flags := uintptr(unix.CLONE_NEWNS)
	if needs(unix.CAP_SYS_ADMIN)(s) != "" {
		flags |= unix.CLONE_NEWUSER
	}
	private := raw(unix.SYS_MOUNT, text("none"), text("/"), 0, unix.MS_REC|unix.MS_PRIVATE, 0)
	return inChild(append([]rawCall{raw(unix.SYS_UNSHARE, flags), private}, calls...)...)
}

// withoutAdmin is the excuse of who cannot have those rights.
func withoutAdmin(s *scene) string {
	if needs(unix.CAP_SYS_ADMIN)(s) == "" {
		return ""
	}
	return withoutNamespaces(s)
}
