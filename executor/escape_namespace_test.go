package executor

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Namespaces: with a new one come capabilities, and another one leads out of the sandbox.

var namespaceFlags = []struct {
	name string
	file string
	flag uintptr
}{
	{"mount", "mnt", unix.CLONE_NEWNS}, {"UTS", "uts", unix.CLONE_NEWUTS}, {"IPC", "ipc", unix.CLONE_NEWIPC}, {"network", "net", unix.CLONE_NEWNET},
	{"pid", "pid", unix.CLONE_NEWPID}, {"cgroup", "cgroup", unix.CLONE_NEWCGROUP}, {"user", "user", unix.CLONE_NEWUSER}, {"time", "time", unix.CLONE_NEWTIME},
}

var namespaceTries = func() []try {
	var tries []try
	for _, n := range namespaceFlags {
		tries = append(tries,
			try{name: "make a " + n.name + " namespace (unshare)", do: func(s *scene) error { return inChild(raw(unix.SYS_UNSHARE, n.flag|userFlag(s))) }, excuse: withoutAdmin},
			try{name: "make a " + n.name + " namespace (clone3)", do: func(s *scene) error { return inChildOf(cloning3(n.flag | userFlag(s))) }, excuse: withoutAdmin},
			try{name: "enter the " + n.name + " namespace of process 1", do: func(*scene) error { return enterNamespace("/proc/1/ns/"+n.file, n.flag) }, excuse: ofInit},
			try{name: "enter the " + n.name + " namespace of the gateway", do: func(s *scene) error { return enterNamespace(s.Gateway.dir()+"/ns/"+n.file, n.flag) }, excuse: needsHost},
			try{name: "enter the " + n.name + " namespace that it is in", do: func(*scene) error { return enterNamespace("/proc/self/ns/"+n.file, n.flag) }, excuse: needsHost},
		)
		if n.flag != unix.CLONE_NEWTIME { // clone(2) has not that flag
			tries = append(tries, try{name: "make a " + n.name + " namespace (clone)", do: func(s *scene) error { return inChildOf(cloning(n.flag | userFlag(s))) }, excuse: withoutAdmin})
		}
	}
	return append(tries,
		try{name: "make a mount namespace with a number above 32 bits", do: func(s *scene) error { return inChildOf(cloning(unix.CLONE_NEWNS | userFlag(s) | 1<<40)) }, excuse: withoutAdmin},
		try{name: "enter the namespaces of the gateway by its descriptor", do: enterByPidfd, excuse: needsHost},
		try{name: "start a child in a group of the host (clone3)", do: func(*scene) error {
			return through(inChildOf(cloning3(unix.CLONE_INTO_CGROUP)), unix.EBADF, unix.EINVAL)
		}},
	)
}()

// userFlag lets who has no capabilities make namespaces, within one of users.
func userFlag(s *scene) uintptr {
	if s.free() && needs(unix.CAP_SYS_ADMIN)(s) != "" {
		return unix.CLONE_NEWUSER
	}
	return 0
}

// needsHost is the excuse of who may not enter the host's namespaces. The user namespace one is in already cannot be entered.
func needsHost(s *scene) string {
	if reason := needs(unix.CAP_SYS_ADMIN)(s); reason != "" {
		return reason
	}
	return needs(unix.CAP_SYS_PTRACE)(s)
}

// cloning3 makes struct clone_args: flags first, the signal of the child's end as the fifth, the control group as the last.
func cloning3(flags uintptr) cloneBy {
	args := &[11]uint64{0: uint64(flags), 4: uint64(unix.SIGCHLD), 10: 1 << 20}
	return cloneBy{unix.SYS_CLONE3, address(args), unsafe.Sizeof(*args)}
}

// enterNamespace enters one in a child. To enter the user namespace that one is in is refused to everybody, but only then.
func enterNamespace(path string, flag uintptr) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = inChild(raw(unix.SYS_SETNS, f.Fd(), flag))
	if flag == unix.CLONE_NEWUSER {
		err = through(err, unix.EINVAL)
	}
	return err
}

func enterByPidfd(s *scene) error {
	pid, err := s.Gateway.number()
	if err != nil {
		return err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return inChild(raw(unix.SYS_SETNS, uintptr(fd), unix.CLONE_NEWNET|unix.CLONE_NEWIPC))
}
