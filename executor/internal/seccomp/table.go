package seccomp

import "golang.org/x/sys/unix"

// newest is the highest number of a system call that was reviewed, on every architecture. Raise it after having read what the calls up
// to the new one do.
const newest = 471

// reviewed are calls, with the same number everywhere, that are newer than the library's tables.
var reviewed = map[string]uint32{
	"file_getattr":     468, // Linux 6.17
	"file_setattr":     469,
	"listns":           470, // Linux 6.19
	"rseq_slice_yield": 471, // Linux 7.0
}

// numberUprobe is uprobe, which the kernel itself calls in a program that is probed (Linux 6.18, amd64 only).
const numberUprobe = 336

// group is calls that are refused whatever their arguments are.
type group struct {
	why   string
	errno unix.Errno
	names []string
	amd64 []string // calls that only amd64 has
}

// denied are the calls that are refused. EPERM is what the kernel itself answers whom it does not trust. ENOSYS is for calls that
// programs try first and have a substitute for, and for those that no kernel has anymore.
var denied = []group{
	{
		why:   "reads, writes or compares what belongs to other processes",
		errno: unix.EPERM,
		names: []string{"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "pidfd_getfd", "kcmp"},
	},
	{
		why:   "had more than its share of the kernel's holes, and commands do without",
		errno: unix.EPERM,
		names: []string{"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "add_key", "request_key",
			"keyctl", "fanotify_init"},
		amd64: []string{"modify_ldt"},
	},
	{
		why:   "changes the host; the capabilities for it are dropped as well",
		errno: unix.EPERM,
		names: []string{"kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon", "swapoff", "acct",
			"quotactl", "quotactl_fd", "settimeofday", "clock_settime", "sethostname", "setdomainname", "vhangup"},
		amd64: []string{"iopl", "ioperm"},
	},
	{
		why:   "shows the kernel's log, where kernel.dmesg_restrict does not forbid it",
		errno: unix.EPERM,
		names: []string{"syslog"},
	},
	{
		why:   "makes or enters mounts and namespaces: the way to capabilities, and past rules that hold for paths",
		errno: unix.EPERM,
		names: []string{"mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "open_tree", "open_tree_attr", "move_mount", "mount_setattr",
			"fsopen", "fsconfig", "fsmount", "fspick"},
	},
	{
		why:   "opens a file without walking a path to it",
		errno: unix.EPERM,
		names: []string{"open_by_handle_at"},
	},
	{
		why: "makes or uses what belongs to no process: it outlasts the command, counts against no limit of a later one, and is shared with every process " +
			"of the user; no path leads to it, so that Landlock has no say in it. It is as on a kernel that is built without",
		errno: unix.ENOSYS,
		names: []string{"shmget", "shmat", "shmctl", "shmdt", "msgget", "msgsnd", "msgrcv", "msgctl", "semget", "semop", "semtimedop", "semctl", "mq_open", "mq_unlink"},
	},
	{
		why:   "changes its own label of another security module",
		errno: unix.EPERM,
		names: []string{"lsm_set_self_attr"},
	},
	{
		why:   "has flags in memory, where a filter cannot see them; clone does what commands need",
		errno: unix.ENOSYS,
		names: []string{"clone3"},
	},
	{
		why:   "has the mode of the file it makes in memory, see whyMode; openat does what commands need",
		errno: unix.ENOSYS,
		names: []string{"openat2"},
	},
	{
		why:   "hides memory from everybody, and from limits",
		errno: unix.ENOSYS,
		names: []string{"memfd_secret"},
	},
	{
		why:   "is too new to be needed: changes the flags of a file that it does not open, tells of others' namespaces",
		errno: unix.ENOSYS,
		names: []string{"file_setattr", "listns"},
	},
	{
		why:   "was a call of old kernels",
		errno: unix.EPERM,
		names: []string{"nfsservctl", "lookup_dcookie"},
		amd64: []string{"uselib", "_sysctl", "create_module", "get_kernel_syms", "query_module", "getpmsg", "putpmsg", "afs_syscall", "tuxcall", "security"},
	},
}
