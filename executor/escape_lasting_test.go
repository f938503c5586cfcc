package executor

import (
	"encoding/binary"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What would still be there when the command and all that it has started are gone: objects of the kernel that belong to nobody, and count against no
// limit any more. The control removes them.

var lastingTries = []try{
	{name: "leave shared memory behind (System V)", do: func(*scene) error { return makeIPC(unix.SYS_SHMGET, unix.SYS_SHMCTL) }},
	{name: "leave a message queue behind (System V)", do: func(*scene) error { return makeIPC(unix.SYS_MSGGET, unix.SYS_MSGCTL) }},
	{name: "leave semaphores behind (System V)", do: func(*scene) error { return makeIPC(unix.SYS_SEMGET, unix.SYS_SEMCTL) }},
	{name: "change shared memory of the gateway (System V)", do: changeSegment, excuse: ofOther},
	{name: "attach shared memory of the gateway (System V)", do: attachSegment},
	{name: "send to a message queue of the gateway (System V)", do: func(s *scene) error {
		_, err := invoke(unix.SYS_MSGSND, uintptr(s.Messages), address(&[2]uint64{1, 0}), 1, ipcNoWait)
		return err
	}},
	{name: "use semaphores of the gateway (System V)", do: func(s *scene) error {
		up := [3]uint16{0, 1, ipcNoWait} // struct sembuf
		_, err := invoke(unix.SYS_SEMOP, uintptr(s.Semaphores), address(&up), 1)
		return err
	}},
	{name: "open a message queue of the gateway", do: openQueue},
	{name: "remove a message queue of the gateway", do: removeQueue, excuse: ofOther},
	{name: "make a message queue that others may look for", do: makeQueue},
	{name: "make a file in /dev/shm", do: func(s *scene) error { return makeAndRemove("/dev/shm/" + s.queue()) }},
}

const ipcNoWait = 0o4000

// makeIPC makes an object without a name, of the size 1, and removes it. For semaphores the command comes third.
func makeIPC(get, control uintptr) error {
	args := []uintptr{unix.IPC_PRIVATE, 1, unix.IPC_CREAT | 0o600}
	if get == unix.SYS_MSGGET {
		args = []uintptr{unix.IPC_PRIVATE, unix.IPC_CREAT | 0o600}
	}
	id, err := invoke(get, args...)
	if err != nil {
		return err
	}
	args = []uintptr{id, unix.IPC_RMID, 0}
	if get == unix.SYS_SEMGET {
		args = []uintptr{id, 0, unix.IPC_RMID, 0}
	}
	_, err = invoke(control, args...)
	return err
}

func attachSegment(s *scene) error {
	data, err := unix.SysvShmAttach(s.Segment, 0, 0)
	if err != nil {
		return err
	}
	return unix.SysvShmDetach(data)
}

// changeSegment sets the owner and mode that the segment has.
func changeSegment(s *scene) error {
	var desc unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(s.Segment, unix.IPC_STAT, &desc); err != nil {
		return err
	}
	_, err := unix.SysvShmCtl(s.Segment, unix.IPC_SET, &desc)
	return err
}

// POSIX message queues have a file system of their own, that no path leads to.

func (s *scene) queue() string { return "sidegate-test-" + strconv.Itoa(s.Gateway.PID) }

// spareQueue is there to be removed.
func (s *scene) spareQueue() string { return s.queue() + "-spare" }

func openQueue(s *scene) error {
	fd, err := invoke(unix.SYS_MQ_OPEN, text(s.queue()), unix.O_RDWR|unix.O_CLOEXEC, 0, 0)
	if err == nil {
		unix.Close(int(fd))
	}
	return err
}

// removeQueue removes one and makes it again.
func removeQueue(s *scene) error {
	if _, err := invoke(unix.SYS_MQ_UNLINK, text(s.spareQueue())); err != nil {
		return err
	}
	fd, err := invoke(unix.SYS_MQ_OPEN, text(s.spareQueue()), unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o666, 0)
	if err == nil {
		unix.Close(int(fd))
	}
	return err
}

// makeQueue makes one, and finds that it is there if it can be removed: to open it may be refused after it was made.
func makeQueue(s *scene) error {
	name := text(s.queue() + "-new")
	fd, err := invoke(unix.SYS_MQ_OPEN, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600, 0)
	if err == nil {
		unix.Close(int(fd))
	}
	if _, removeErr := invoke(unix.SYS_MQ_UNLINK, name); removeErr != nil {
		return err
	}
	return nil
}

// heldTries hold or change what may only be read, through a descriptor that was opened for reading.
var heldTries = []try{
	{name: "keep others from writing to a file that may be read (F_SETLEASE)", do: func(s *scene) error {
		return lease(s.in("readable/file"), unix.F_RDLCK)
	}, excuse: ofOther},
	{name: "keep others from reading a file that may be read (F_SETLEASE)", do: func(s *scene) error {
		return lease(s.in("readable/file"), unix.F_WRLCK)
	}, excuse: ofOther},
	{name: "keep others from executing a program that it may execute (F_SETLEASE)", do: func(s *scene) error {
		return lease(s.in(programCapable), unix.F_WRLCK)
	}, excuse: ofRoot},
	{name: "make a file that may be read unchangeable for ever (FS_IOC_ENABLE_VERITY)", do: func(s *scene) error {
		return through(ioctlOn(s.in("readable/file"), unix.FS_IOC_ENABLE_VERITY, make([]byte, 128)), unix.EOPNOTSUPP, unix.ENOTTY, unix.EINVAL)
	}},
	{name: "encrypt a directory that may be read (FS_IOC_SET_ENCRYPTION_POLICY)", do: func(s *scene) error {
		return through(ioctlOn(s.Readable, unix.FS_IOC_SET_ENCRYPTION_POLICY, make([]byte, 32)), unix.EOPNOTSUPP, unix.ENOTTY, unix.EINVAL)
	}},
	{name: "copy a whole subvolume to where it may read (BTRFS_IOC_SNAP_CREATE_V2)", do: func(s *scene) error {
		return through(ioctlOn(s.own(), btrfsSnapshot, subvolume(56, "copy")), unix.ENOTTY, unix.EBADF, unix.EINVAL, unix.EOPNOTSUPP)
	}},
	{name: "make a subvolume in a directory that may be read (BTRFS_IOC_SUBVOL_CREATE)", do: func(s *scene) error {
		return through(ioctlOn(s.Readable, btrfsSubvolume, subvolume(8, "no/name")), unix.ENOTTY, unix.EINVAL, unix.EOPNOTSUPP)
	}},
	{name: "set the attributes of a file that may be read (FS_IOC_SETFLAGS)", do: setAttributes, excuse: ofOther, left: ownFiles},
	{name: "lock a file that may be read (flock)", do: lock, left: residue{why: "locks on files that it may open", in: []Profile{ProfileConfined, ProfileIsolated}}},
}

// ofRoot is the excuse of who does not own the programs of the scene.
func ofRoot(s *scene) string {
	if id, err := ownerOf(s.in(programCapable)); err == nil && int(id.uid) != os.Geteuid() || s.switches() {
		return "the program is another user's"
	}
	return ""
}

// Requests to Btrfs.
const (
	btrfsSnapshot  = 0x50009417
	btrfsSubvolume = 0x5000940e
)

// subvolume is what they take: a descriptor, which is none here, and a name. File systems that have no such request find that out first.
func subvolume(at int, name string) []byte {
	arg := make([]byte, 4096)
	binary.NativeEndian.PutUint64(arg, ^uint64(0))
	copy(arg[at:], name)
	return arg
}

// lease takes one and gives it back.
func lease(path string, kind int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, kind); err != nil {
		return err
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	return err
}

func ioctlOn(path string, request uintptr, arg []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	pinned = append(pinned, arg)
	_, err = invoke(unix.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(&arg[0])))
	return err
}

// setAttributes sets those that the file has.
func setAttributes(s *scene) error {
	f, err := os.Open(s.in("readable/file"))
	if err != nil {
		return err
	}
	defer f.Close()
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags))
}

func lock(s *scene) error {
	f, err := os.Open(s.in("readable/file"))
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}
