package seccomp

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// child makes a call by another convention: with the filter, or without to see that the call is one.
func child(what string) int {
	runtime.LockOSThread()
	how, filtered, _ := strings.Cut(what, " ")
	if filtered != "" {
		f, err := Assemble(NetworkFull)
		if err == nil {
			err = install(f)
		}
		if err != nil {
			fmt.Println(err)
			return 2
		}
	}
	switch how {
	case "i386":
		fmt.Println("getpid", int32(int80(20)) == int32(os.Getpid()))
	case "i386-bad":
		fmt.Println("bad", int32(int80(0x7fffffff)))
	case "x32":
		_, _, errno := unix.Syscall(1<<30|unix.SYS_GETPID, 0, 0, 0)
		fmt.Println("errno", int(errno))
	}
	return 0
}

// int80 makes a call of i386: mov eax, nr; int 0x80; ret.
func int80(nr uint32) uintptr {
	code := []byte{0xb8, byte(nr), byte(nr >> 8), byte(nr >> 16), byte(nr >> 24), 0xcd, 0x80, 0xc3}
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
	copy(page, code)
	entry := &page[0]
	function := &entry // a Go function value is a pointer to a pointer to code, and the result of a function is in AX
	return (*(*func() uintptr)(unsafe.Pointer(&function)))()
}

// TestOtherConventions: a call through int 0x80 ends the process, whatever its number; one of x32 does not exist.
func TestOtherConventions(t *testing.T) {
	t.Parallel()
	supported(t)
	run := func(what string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
		cmd.Env = []string{childEnv + "=" + what}
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	if out, err := run("i386"); err != nil || out != "getpid true" {
		t.Logf("int 0x80 cannot be tried, the kernel has no i386 calls: %q, %v", out, err)
	} else {
		for _, what := range []string{"i386 filtered", "i386-bad filtered"} {
			out, err := run(what)
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				t.Errorf("%s: it survived: %q, %v", what, out, err)
			} else if status := exit.Sys().(syscall.WaitStatus); status.Signal() != unix.SIGSYS {
				t.Errorf("%s: got %v, want SIGSYS", what, exit)
			}
		}
	}
	if out, err := run("x32 filtered"); err != nil || out != fmt.Sprint("errno ", int(unix.ENOSYS)) {
		t.Errorf("x32: got %q, %v, want ENOSYS", out, err)
	}
}
