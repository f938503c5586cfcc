package executor

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// EmptyBoundingSet gives up, for all threads of this process and for good, every capability that executing a program could bring: see
// capabilities(7). It is for a process that starts no job under [ProfileHost], whose commands have the gateway's own capabilities, and that executes no
// other program that needs any. What this process may do itself is not changed. Jobs are held as before, and start sooner, because their children find
// empty what each of them would have to empty.
//
// Where the process has no CAP_SETPCAP, or was linked with cgo, so that not all of its threads can be reached, nothing is done, which is no error: each child then
// does what it can. Call it before New.
func EmptyBoundingSet() error {
	for capability := range uintptr(64) { // two words of 32 bits hold them
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, capability, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			return nil // the kernel knows no more of them
		}
		if err != nil {
			return os.NewSyscallError("prctl PR_CAPBSET_READ", err)
		}
		if has == 0 {
			continue
		}
		_, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, capability, 0)
		switch errno {
		case 0:
		case unix.EPERM, unix.ENOTSUP:
			return nil
		default:
			return os.NewSyscallError("prctl PR_CAPBSET_DROP", errno)
		}
	}
	return nil
}
