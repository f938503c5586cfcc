package executor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ways to processes and namespaces that newer kernels have: by descriptors and by handles, without a path.

// Requests to a descriptor of a process, include/uapi/linux/pidfd.h, and file systems that handles are opened in, include/uapi/linux/fcntl.h.
const (
	pidfdGetMountNamespace   = 0xff03
	pidfdGetNetworkNamespace = 0xff04
	pidfdGetUserNamespace    = 0xff09

	rootOfProcesses  = -10002 // FD_PIDFS_ROOT
	rootOfNamespaces = -10003 // FD_NSFS_ROOT

	nextMountNamespace = 0x8010b70b // NS_MNT_GET_NEXT
)

var handleTries = func() []try {
	tries := []try{
		{name: "open a process by its handle (pidfs)", do: openProcessHandle, excuse: always("the kernel has no such handles")},
		{name: "open a namespace by its handle (nsfs)", do: openNamespaceHandle, excuse: always("the kernel has no such handles")},
		{name: "step to the next mount namespace (NS_MNT_GET_NEXT)", do: stepToNamespace, excuse: needs(unix.CAP_SYS_ADMIN)},
	}
	for _, victim := range []struct {
		name   string
		find   func(*scene) process
		excuse func(*scene) string
	}{
		{"the gateway", func(s *scene) process { return s.Gateway }, ofGateway},
		{"a process of its user", func(s *scene) process { return s.Bystander }, nil},
	} {
		for _, n := range []struct {
			name    string
			request uintptr
		}{{"mount", pidfdGetMountNamespace}, {"network", pidfdGetNetworkNamespace}, {"user", pidfdGetUserNamespace}} {
			tries = append(tries, try{
				name:   fmt.Sprintf("get the %s namespace of %s by its descriptor", n.name, victim.name),
				do:     func(s *scene) error { return askProcess(victim.find(s), n.request) },
				excuse: sinceKernel(victim.excuse, "6.11"),
			})
		}
	}
	return tries
}()

// sinceKernel is an excuse, or the version that kernels have the call from.
func sinceKernel(excuse func(*scene) string, version string) func(*scene) string {
	return func(s *scene) string {
		if excuse != nil {
			if reason := excuse(s); reason != "" {
				return reason
			}
		}
		return olderThan(version)(s)
	}
}

func askProcess(p process, request uintptr) error {
	pid, err := p.number()
	if err != nil {
		return err
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	fd, err := invoke(unix.SYS_IOCTL, uintptr(pidfd), request, 0)
	if err == nil {
		unix.Close(int(fd))
	}
	return err
}

// openProcessHandle opens the command's own process: that of another one takes no more.
func openProcessHandle(*scene) error {
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	handle, _, err := unix.NameToHandleAt(pidfd, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	return openHandle(rootOfProcesses, handle)
}

func openNamespaceHandle(*scene) error {
	ns, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return err
	}
	defer ns.Close()
	handle, _, err := unix.NameToHandleAt(int(ns.Fd()), "", unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	return openHandle(rootOfNamespaces, handle)
}

func openHandle(root int, handle unix.FileHandle) error {
	text := make([]byte, 8, 8+handle.Size())
	binary.NativeEndian.PutUint32(text, uint32(handle.Size()))
	binary.NativeEndian.PutUint32(text[4:], uint32(handle.Type()))
	text = append(text, handle.Bytes()...)
	pinned = append(pinned, text)
	fd, err := invoke(unix.SYS_OPEN_BY_HANDLE_AT, uintptr(root), uintptr(unsafe.Pointer(&text[0])), unix.O_RDONLY|unix.O_CLOEXEC)
	if err == nil {
		unix.Close(int(fd))
	}
	return err
}

// stepToNamespace asks for the mount namespace after the own one. That there is none is found out after the right to ask.
func stepToNamespace(*scene) error {
	ns, err := os.Open("/proc/self/ns/mnt")
	if err != nil {
		return err
	}
	defer ns.Close()
	fd, err := invoke(unix.SYS_IOCTL, ns.Fd(), nextMountNamespace, address(new([2]uint64)))
	if err == nil {
		unix.Close(int(fd))
	}
	if errors.Is(err, unix.ENOTTY) {
		return unix.ENOSYS
	}
	return through(err, unix.ENOENT)
}
