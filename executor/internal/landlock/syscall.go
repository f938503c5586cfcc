package landlock

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// createRuleset makes a ruleset that handles what attr says, as a descriptor that is closed on exec.
func createRuleset(attr *unix.LandlockRulesetAttr) (int, error) {
	// An attribute longer than the kernel's is accepted as long as what the kernel does not know is zero.
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr), 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// abiVersion returns the ABI that the kernel reports.
func abiVersion() (int, error) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, errno
	}
	return int(v), nil
}

// addPath allows access below the directory, or to the file, that the descriptor refers to. The kernel's structure is packed, 12 bytes: the first 12 of unix's.
func addPath(ruleset, fd int, access uint64) error {
	attr := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
