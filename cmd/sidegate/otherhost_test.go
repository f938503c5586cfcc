package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// withoutLandlockMain becomes the program of its arguments on a kernel that has no Landlock: `without-landlock sidegate doctor`.
// A filter answers its system calls as a kernel does that was built without. As root nothing else changes; without, setuid
// programs gain nothing either.
func withoutLandlockMain() {
	if err := withoutLandlock(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "without-landlock:", err)
		os.Exit(1)
	}
}

// withFileMain becomes a program that sees another file in the place of one of this host's, which takes root:
// `with-file FILE PLACE PROGRAM`.
func withFileMain() {
	if err := withFile(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "with-file:", err)
		os.Exit(1)
	}
}

func withFile(file, place string, argv []string) error {
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the mounts are this thread's, and what it executes has them
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("mount private", err)
	}
	if err := unix.Mount(file, place, "", unix.MS_BIND, ""); err != nil {
		return os.NewSyscallError("mount "+place, err)
	}
	return syscall.Exec(program, argv, os.Environ())
}

func withoutLandlock(argv []string) error {
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	refused := uint32(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the system call
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: unix.SYS_LANDLOCK_CREATE_RULESET, Jf: 2},
		{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: unix.SYS_LANDLOCK_RESTRICT_SELF, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: refused},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	code := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread() // the filter is this thread's, and what it executes has it
	set := func() error {
		_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&code)))
		if errno == 0 {
			return nil
		}
		return errno
	}
	if err = set(); errors.Is(err, unix.EACCES) {
		if err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err == nil {
			err = set()
		}
	}
	if err != nil {
		return os.NewSyscallError("seccomp", err)
	}
	return syscall.Exec(program, argv, os.Environ())
}
