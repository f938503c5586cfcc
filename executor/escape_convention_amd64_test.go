package executor

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Calls by other conventions than the one that the filter was written for. Their numbers are other calls.
var conventionTries = []try{
	{name: "make a call of i386 (int 0x80)", do: callI386, excuse: always("the kernel has no calls of i386")},
	{name: "make a call of x32", do: func(*scene) error { return inChild(raw(1<<30 | unix.SYS_GETPID)) }, excuse: always("the kernel has no calls of x32")},
}

// forkInto makes a child that goes on at the code.
//
//go:noinline
//go:norace
//go:nocheckptr
func forkInto(code uintptr) (pid int, errno syscall.Errno) {
	entry := &code
	run := *(*func())(unsafe.Pointer(&entry)) // a Go function value is a pointer to a pointer to code
	r, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && r == 0 {
		run()
	}
	return int(r), errno
}

// callI386 has a child ask who it is by i386's getpid, and end with what it takes for an error if it was told.
func callI386(*scene) error {
	const (
		numberGetPID = 20
		told         = 77
	)
	// mov eax, 20; int 0x80; test eax, eax; mov edi, 77; jg +2; xor edi, edi; mov eax, 231; syscall
	code := []byte{
		0xb8, numberGetPID, 0, 0, 0, 0xcd, 0x80, 0x85, 0xc0, 0xbf, told, 0, 0, 0, 0x7f, 0x02, 0x31, 0xff, 0xb8, 0xe7, 0, 0, 0, 0x0f, 0x05,
	}
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	copy(page, code)
	pinned = append(pinned, page)
	pid, errno := forkInto(uintptr(unsafe.Pointer(&page[0])))
	if errno != 0 {
		return errno
	}
	switch err := awaitRaw(pid); {
	case errors.Is(err, unix.Errno(told)):
		return nil
	case err != nil:
		return err
	}
	return unix.ENOSYS
}
