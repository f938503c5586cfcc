package seccomp

import (
	"fmt"
	"unsafe"

	seccompbpf "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// Probe asks the kernel whether it has filters, with the two actions that [Assemble] uses. The error wraps the errno: ENOSYS or EINVAL where seccomp
// is not built, EOPNOTSUPP where an action is unknown.
func Probe() error {
	for _, action := range []seccompbpf.Action{seccompbpf.ActionErrno, seccompbpf.ActionKillProcess} {
		a := uint32(action)
		if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&a))); errno != 0 {
			return fmt.Errorf("seccomp: action %s: %w", action, errno)
		}
	}
	return nil
}
