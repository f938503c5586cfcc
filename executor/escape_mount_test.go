package executor

import (
	"golang.org/x/sys/unix"
)

// Mounts, and another root directory.

const cwd = ^uintptr(-unix.AT_FDCWD - 1) // AT_FDCWD as an argument

var mountTries = []try{
	{name: "mount", do: func(s *scene) error { return asAdmin(s, mountAt(s)) }, excuse: withoutAdmin},
	{name: "mount a directory over another", do: func(s *scene) error {
		return asAdmin(s, raw(unix.SYS_MOUNT, text(s.Writable), text(s.in("outside/directory")), 0, unix.MS_BIND, 0))
	}, excuse: withoutAdmin},
	{name: "mount again, with other flags", do: func(s *scene) error {
		again := raw(unix.SYS_MOUNT, 0, text(s.in("outside/directory")), 0, unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, 0)
		if s.free() {
			return asAdmin(s, mountAt(s), again)
		}
		return inChild(again)
	}, excuse: withoutAdmin},
	{name: "unmount", do: func(s *scene) error {
		return through(asAdmin(s, raw(unix.SYS_UMOUNT2, text(s.in("outside/directory")), 0)), unix.EINVAL)
	}, excuse: withoutAdmin},
	{name: "change the root directory (chroot)", do: func(s *scene) error { return asAdmin(s, raw(unix.SYS_CHROOT, text(s.Outside))) }, excuse: withoutAdmin},
	{name: "change the root mount (pivot_root)", do: func(s *scene) error {
		pivot := raw(unix.SYS_PIVOT_ROOT, text("."), text("."))
		if s.free() {
			return asAdmin(s, mountAt(s), raw(unix.SYS_CHDIR, text(s.in("outside/directory"))), pivot)
		}
		return inChild(pivot)
	}, excuse: withoutAdmin},
	{name: "copy a mount (open_tree)", do: func(s *scene) error {
		return asAdmin(s, raw(unix.SYS_OPEN_TREE, cwd, text("/"), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE))
	}, excuse: withoutAdmin},
	{name: "open a mount without copying it (open_tree)", do: func(s *scene) error {
		return inChild(raw(unix.SYS_OPEN_TREE, cwd, text("/"), unix.OPEN_TREE_CLOEXEC))
	}},
	{name: "copy a mount (open_tree_attr)", do: func(s *scene) error {
		return asAdmin(s, raw(unix.SYS_OPEN_TREE_ATTR, cwd, text("/"), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE, address(new([32]byte)), 32))
	}, excuse: withoutAdmin},
	{name: "move a mount (move_mount)", do: func(s *scene) error {
		return through(asAdmin(s, raw(unix.SYS_MOVE_MOUNT, bad, text(""), bad, text(""), unix.MOVE_MOUNT_F_EMPTY_PATH)), unix.EBADF, unix.ENOENT)
	}, excuse: withoutAdmin},
	{name: "open a file system (fsopen)", do: func(s *scene) error { return asAdmin(s, raw(unix.SYS_FSOPEN, text("tmpfs"), unix.FSOPEN_CLOEXEC)) }, excuse: withoutAdmin},
	{name: "configure a file system (fsconfig)", do: func(s *scene) error {
		return through(asAdmin(s, raw(unix.SYS_FSCONFIG, bad, 6, 0, 0, 0)), unix.EINVAL, unix.EBADF)
	}, excuse: withoutAdmin},
	{name: "mount a file system (fsmount)", do: func(s *scene) error { return through(asAdmin(s, raw(unix.SYS_FSMOUNT, bad, 1, 0)), unix.EBADF) }, excuse: withoutAdmin},
	{name: "reconfigure a file system (fspick)", do: func(s *scene) error { return through(asAdmin(s, raw(unix.SYS_FSPICK, bad, text("x"), 0)), unix.EBADF) }, excuse: withoutAdmin},
	{name: "set the flags of a mount (mount_setattr)", do: func(s *scene) error {
		return through(asAdmin(s, raw(unix.SYS_MOUNT_SETATTR, bad, text("x"), 0, address(new([32]byte)), 32)), unix.EBADF)
	}, excuse: withoutAdmin},
}

const bad = ^uintptr(0) // the descriptor -1

func mountAt(s *scene) rawCall {
	return raw(unix.SYS_MOUNT, text("none"), text(s.in("outside/directory")), text("tmpfs"), 0, 0)
}
