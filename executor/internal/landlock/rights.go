package landlock

import (
	"strings"

	"golang.org/x/sys/unix"
)

// Rights is a set of things that a rule allows below a directory, or to a file.
type Rights uint8

// The rights. Of each, the part that makes sense for a file counts where the rule is for a file.
const (
	// List allows to read directories, and no file.
	List Rights = 1 << iota
	// ReadFile allows to read files, and no directory.
	ReadFile
	// Execute allows to execute files, and to read them: the kernel opens for reading what it executes.
	Execute
	// Write allows what changes the tree: to write and truncate files, to make and remove files, directories, symbolic links, sockets and
	// pipes, to rename and link them from and to other directories with the right, and to connect to sockets. It does not allow to make device nodes.
	Write
	// Ioctl allows ioctl(2) on devices. Without it, and where the kernel has the right (ABI 5), even the question whether a device is a terminal
	// is answered with EACCES. It is for devices whose ioctls do no harm: /dev/null, /dev/zero, /dev/full, /dev/random and /dev/urandom.
	Ioctl

	// Read allows to read files and directories.
	Read = ReadFile | List
)

// rightsAll are the rights that exist.
const rightsAll = Read | Execute | Write | Ioctl

// What a right is in the kernel's terms, for a directory. None has MAKE_CHAR or MAKE_BLOCK.
var kernelRights = []struct {
	right  Rights
	name   string
	access uint64
}{
	{List, "list", unix.LANDLOCK_ACCESS_FS_READ_DIR},
	{ReadFile, "read_file", unix.LANDLOCK_ACCESS_FS_READ_FILE},
	{Execute, "execute", unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE},
	{Write, "write", unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_REFER |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX},
	{Ioctl, "ioctl", unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
}

// fileAccess is what the kernel accepts in a rule for anything but a directory (ACCESS_FILE in security/landlock/fs.c).
const fileAccess = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
	unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV | unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX

// access returns the rights as the kernel knows them, for a directory.
func (r Rights) access() uint64 {
	var a uint64
	for _, k := range kernelRights {
		if r&k.right != 0 {
			a |= k.access
		}
	}
	return a
}

// String names the rights, joined by "+".
func (r Rights) String() string {
	var names []string
	for _, k := range kernelRights {
		if r&k.right != 0 {
			names = append(names, k.name)
		}
	}
	if r&^rightsAll != 0 {
		names = append(names, "unknown")
	}
	return strings.Join(names, "+")
}
