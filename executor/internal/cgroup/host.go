package cgroup

import (
	"os"

	"golang.org/x/sys/unix"
)

// host is what the package asks of the kernel in ways that a directory of ordinary files cannot answer. Tests put such a directory in its place.
type host struct {
	prefix          string // put before every absolute path
	pid             int
	readMemberships func() ([]byte, error)
	readMounts      func() ([]byte, error)
	mkdir           func(dir file, name string) error
	rmdir           func(dir file, name string) error
	write           func(f file, value string) error
	kill            func(dir file) error // cgroup.kill; ENOENT before Linux 5.14
	isCgroup        func(dir file, version int) bool
	delegated       func(dir file) bool
}

func kernel() *host {
	h := &host{
		pid:             os.Getpid(),
		readMemberships: func() ([]byte, error) { return os.ReadFile("/proc/self/cgroup") },
		readMounts:      func() ([]byte, error) { return os.ReadFile("/proc/self/mountinfo") },
		mkdir:           mkdir,
		rmdir:           rmdir,
		write:           write,
		isCgroup:        isCgroup,
		delegated:       delegated,
	}
	h.kill = func(dir file) error { return h.set(dir, "cgroup.kill", "1") }
	return h
}

// mkdir makes a group that nobody else may look into: whoever can open its directory can hold the lock.
func mkdir(dir file, name string) error {
	if err := unix.Mkdirat(int(dir), name, 0o700); err != nil {
		return &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return nil
}

func rmdir(dir file, name string) error {
	if err := unix.Unlinkat(int(dir), name, unix.AT_REMOVEDIR); err != nil {
		return &os.PathError{Op: "rmdir", Path: name, Err: err}
	}
	return nil
}

// isCgroup tells whether the directory is one of the kernel's and not something mounted over it.
func isCgroup(dir file, version int) bool {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir), &st); err != nil {
		return false
	}
	if version == 2 {
		return st.Type == unix.CGROUP2_SUPER_MAGIC
	}
	return st.Type == unix.CGROUP_SUPER_MAGIC
}

// delegated tells whether systemd has marked the group as one that belongs to the service, which it does for Delegate=yes. The older of the two
// attributes can only be read by root.
func delegated(dir file) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		var value [8]byte
		if n, err := unix.Fgetxattr(int(dir), name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}
