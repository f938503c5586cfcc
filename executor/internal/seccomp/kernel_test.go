package seccomp

import (
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refused are calls that must be refused on every architecture, by number. It does not come from the table.
var refused = []struct {
	name  string
	nr    uintptr
	errno unix.Errno
}{
	{"ptrace", unix.SYS_PTRACE, unix.EPERM}, {"process_vm_readv", unix.SYS_PROCESS_VM_READV, unix.EPERM},
	{"process_vm_writev", unix.SYS_PROCESS_VM_WRITEV, unix.EPERM}, {"process_madvise", unix.SYS_PROCESS_MADVISE, unix.EPERM},
	{"process_mrelease", unix.SYS_PROCESS_MRELEASE, unix.EPERM}, {"pidfd_getfd", unix.SYS_PIDFD_GETFD, unix.EPERM}, {"kcmp", unix.SYS_KCMP, unix.EPERM},
	{"bpf", unix.SYS_BPF, unix.EPERM}, {"perf_event_open", unix.SYS_PERF_EVENT_OPEN, unix.EPERM}, {"userfaultfd", unix.SYS_USERFAULTFD, unix.EPERM},
	{"io_uring_setup", unix.SYS_IO_URING_SETUP, unix.EPERM}, {"io_uring_enter", unix.SYS_IO_URING_ENTER, unix.EPERM},
	{"io_uring_register", unix.SYS_IO_URING_REGISTER, unix.EPERM}, {"add_key", unix.SYS_ADD_KEY, unix.EPERM},
	{"request_key", unix.SYS_REQUEST_KEY, unix.EPERM}, {"keyctl", unix.SYS_KEYCTL, unix.EPERM}, {"fanotify_init", unix.SYS_FANOTIFY_INIT, unix.EPERM},
	{"kexec_load", unix.SYS_KEXEC_LOAD, unix.EPERM}, {"kexec_file_load", unix.SYS_KEXEC_FILE_LOAD, unix.EPERM},
	{"init_module", unix.SYS_INIT_MODULE, unix.EPERM}, {"finit_module", unix.SYS_FINIT_MODULE, unix.EPERM},
	{"delete_module", unix.SYS_DELETE_MODULE, unix.EPERM}, {"reboot", unix.SYS_REBOOT, unix.EPERM}, {"swapon", unix.SYS_SWAPON, unix.EPERM},
	{"swapoff", unix.SYS_SWAPOFF, unix.EPERM}, {"acct", unix.SYS_ACCT, unix.EPERM}, {"quotactl", unix.SYS_QUOTACTL, unix.EPERM},
	{"quotactl_fd", unix.SYS_QUOTACTL_FD, unix.EPERM}, {"settimeofday", unix.SYS_SETTIMEOFDAY, unix.EPERM},
	{"clock_settime", unix.SYS_CLOCK_SETTIME, unix.EPERM}, {"sethostname", unix.SYS_SETHOSTNAME, unix.EPERM},
	{"setdomainname", unix.SYS_SETDOMAINNAME, unix.EPERM}, {"vhangup", unix.SYS_VHANGUP, unix.EPERM}, {"syslog", unix.SYS_SYSLOG, unix.EPERM},
	{"mount", unix.SYS_MOUNT, unix.EPERM}, {"umount2", unix.SYS_UMOUNT2, unix.EPERM}, {"pivot_root", unix.SYS_PIVOT_ROOT, unix.EPERM},
	{"chroot", unix.SYS_CHROOT, unix.EPERM}, {"unshare", unix.SYS_UNSHARE, unix.EPERM}, {"setns", unix.SYS_SETNS, unix.EPERM},
	{"open_tree", unix.SYS_OPEN_TREE, unix.EPERM}, {"open_tree_attr", unix.SYS_OPEN_TREE_ATTR, unix.EPERM}, {"move_mount", unix.SYS_MOVE_MOUNT, unix.EPERM},
	{"mount_setattr", unix.SYS_MOUNT_SETATTR, unix.EPERM}, {"fsopen", unix.SYS_FSOPEN, unix.EPERM}, {"fsconfig", unix.SYS_FSCONFIG, unix.EPERM},
	{"fsmount", unix.SYS_FSMOUNT, unix.EPERM}, {"fspick", unix.SYS_FSPICK, unix.EPERM}, {"open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT, unix.EPERM},
	{"lsm_set_self_attr", unix.SYS_LSM_SET_SELF_ATTR, unix.EPERM}, {"nfsservctl", unix.SYS_NFSSERVCTL, unix.EPERM},
	{"lookup_dcookie", unix.SYS_LOOKUP_DCOOKIE, unix.EPERM},
	{"shmget", unix.SYS_SHMGET, unix.ENOSYS}, {"shmat", unix.SYS_SHMAT, unix.ENOSYS}, {"msgget", unix.SYS_MSGGET, unix.ENOSYS},
	{"msgsnd", unix.SYS_MSGSND, unix.ENOSYS}, {"msgrcv", unix.SYS_MSGRCV, unix.ENOSYS}, {"semget", unix.SYS_SEMGET, unix.ENOSYS},
	{"semop", unix.SYS_SEMOP, unix.ENOSYS}, {"semtimedop", unix.SYS_SEMTIMEDOP, unix.ENOSYS}, {"mq_open", unix.SYS_MQ_OPEN, unix.ENOSYS},
	{"mq_unlink", unix.SYS_MQ_UNLINK, unix.ENOSYS}, {"shmctl", unix.SYS_SHMCTL, unix.ENOSYS}, {"shmdt", unix.SYS_SHMDT, unix.ENOSYS},
	{"msgctl", unix.SYS_MSGCTL, unix.ENOSYS}, {"semctl", unix.SYS_SEMCTL, unix.ENOSYS},
	{"clone3", unix.SYS_CLONE3, unix.ENOSYS}, {"openat2", unix.SYS_OPENAT2, unix.ENOSYS}, {"memfd_secret", unix.SYS_MEMFD_SECRET, unix.ENOSYS}, {"file_setattr", unix.SYS_FILE_SETATTR, unix.ENOSYS},
	{"listns", unix.SYS_LISTNS, unix.ENOSYS}, {"a number of no call", 400, unix.ENOSYS}, {"a number above all", newest + 1, unix.ENOSYS},
	{"a number far above", 5000, unix.ENOSYS}, {"the number -1", ^uintptr(0), unix.ENOSYS},
}

// TestRefused makes every refused call, with arguments that are no good for anything.
func TestRefused(t *testing.T) {
	t.Parallel()
	const bad = ^uintptr(0)
	filtered(t, NetworkFull, func() {
		for _, c := range refused {
			if _, errno := call(c.nr, bad, bad, bad, bad, bad, bad); errno != c.errno {
				t.Errorf("%s: got %v, want %v", c.name, errno, c.errno)
			}
		}
		for _, c := range refusedHere {
			if _, errno := call(c.nr, bad, bad, bad, bad, bad, bad); errno != unix.EPERM {
				t.Errorf("%s: got %v, want EPERM", c.name, errno)
			}
		}
	})
}

// TestArgumentsKernel asks the kernel what TestArguments asks the virtual machine. Where the filter lets a call pass, it fails for another reason, or
// does no harm.
func TestArgumentsKernel(t *testing.T) {
	t.Parallel()
	const (
		invalid = unix.CLONE_THREAD // without CLONE_SIGHAND the kernel answers EINVAL, and makes no thread
		bad     = ^uintptr(0)
	)
	name := append([]byte("sidegate"), 0)
	memfd := uintptr(unsafe.Pointer(&name[0]))
	filtered(t, NetworkNone, func() {
		for _, c := range []struct {
			name string
			nr   uintptr
			args []uintptr
			want unix.Errno
		}{
			{"clone", unix.SYS_CLONE, []uintptr{invalid}, unix.EINVAL},
			{"clone, CLONE_NEWUSER", unix.SYS_CLONE, []uintptr{invalid | unix.CLONE_NEWUSER}, unix.EPERM},
			{"clone, CLONE_NEWUSER and the upper half", unix.SYS_CLONE, []uintptr{invalid | unix.CLONE_NEWUSER | 0xffffffff<<32}, unix.EPERM},
			{"clone, CLONE_NEWNS", unix.SYS_CLONE, []uintptr{invalid | unix.CLONE_NEWNS}, unix.EPERM},
			{"clone, a flag in the upper half only", unix.SYS_CLONE, []uintptr{invalid | unix.CLONE_NEWNS<<32}, unix.EINVAL},
			{"clone, CLONE_PARENT", unix.SYS_CLONE, []uintptr{invalid | unix.CLONE_PARENT}, unix.EPERM},
			{"fchmod, set-user-ID", unix.SYS_FCHMOD, []uintptr{bad, 0o4755}, unix.EPERM},
			{"fchmod", unix.SYS_FCHMOD, []uintptr{bad, 0o755}, unix.EBADF},
			{"openat, set-user-ID", unix.SYS_OPENAT, []uintptr{bad, memfd, unix.O_CREAT, 0o4755}, unix.EPERM},
			{"openat, set-user-ID, of a file that is there", unix.SYS_OPENAT, []uintptr{bad, memfd, unix.O_RDONLY, 0o4755}, unix.EBADF},
			{"memfd_create", unix.SYS_MEMFD_CREATE, []uintptr{memfd, unix.MFD_CLOEXEC}, unix.ENOSYS},
			{"memfd_create, the flag in the upper half", unix.SYS_MEMFD_CREATE, []uintptr{memfd, unix.MFD_CLOEXEC | unix.MFD_NOEXEC_SEAL<<32}, unix.ENOSYS},
			{"memfd_create, MFD_EXEC", unix.SYS_MEMFD_CREATE, []uintptr{memfd, unix.MFD_CLOEXEC | unix.MFD_EXEC}, unix.ENOSYS},
			{"memfd_create, both", unix.SYS_MEMFD_CREATE, []uintptr{memfd, unix.MFD_CLOEXEC | unix.MFD_EXEC | unix.MFD_NOEXEC_SEAL}, unix.ENOSYS},
			{"personality, READ_IMPLIES_EXEC", unix.SYS_PERSONALITY, []uintptr{0x0400000}, unix.EPERM},
			{"personality, ADDR_NO_RANDOMIZE and the upper half", unix.SYS_PERSONALITY, []uintptr{0x0040000 | 1<<32}, unix.EPERM},
			{"personality, the question", unix.SYS_PERSONALITY, []uintptr{0xffffffff}, 0},
			{"ioctl, TIOCSTI", unix.SYS_IOCTL, []uintptr{bad, unix.TIOCSTI, 0}, unix.EPERM},
			{"ioctl, TIOCSTI and the upper half", unix.SYS_IOCTL, []uintptr{bad, unix.TIOCSTI | 1<<32, 0}, unix.EPERM},
			{"ioctl, TIOCLINUX", unix.SYS_IOCTL, []uintptr{bad, tiocLinux, 0}, unix.EPERM},
			{"ioctl, another", unix.SYS_IOCTL, []uintptr{bad, unix.TCGETS, 0}, unix.EBADF},
			{"ioctl, BTRFS_IOC_SNAP_CREATE_V2", unix.SYS_IOCTL, []uintptr{bad, 0x50009417, 0}, unix.EPERM},
			{"ioctl, FICLONE", unix.SYS_IOCTL, []uintptr{bad, unix.FICLONE, 0}, unix.EBADF},
			{"fcntl, F_SETLEASE", unix.SYS_FCNTL, []uintptr{bad, unix.F_SETLEASE, 0}, unix.EPERM},
			{"fcntl, F_GETLEASE", unix.SYS_FCNTL, []uintptr{bad, unix.F_GETLEASE, 0}, unix.EBADF},
			{"seccomp, a listener", unix.SYS_SECCOMP, []uintptr{unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, 0}, unix.EPERM},
			{"seccomp, a filter", unix.SYS_SECCOMP, []uintptr{unix.SECCOMP_SET_MODE_FILTER, 0, 0}, unix.EFAULT},
			{"socketpair, AF_INET", unix.SYS_SOCKETPAIR, []uintptr{unix.AF_INET, unix.SOCK_STREAM, 0, bad}, unix.EAFNOSUPPORT},
		} {
			if _, errno := call(c.nr, c.args...); errno != c.want {
				t.Errorf("%s: got %v, want %v", c.name, errno, c.want)
			}
		}
		// The seal needs Linux 6.3.
		fd, errno := call(unix.SYS_MEMFD_CREATE, memfd, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
		switch errno {
		case 0:
			if err := unix.Fchmod(int(fd), 0o777); !errors.Is(err, unix.EPERM) {
				t.Errorf("a sealed memory file was made executable: %v", err)
			}
			unix.Close(int(fd))
		case unix.EINVAL:
		default:
			t.Errorf("memfd_create, sealed: got %v", errno)
		}
	})
}

// TestSockets opens a socket of each family.
func TestSockets(t *testing.T) {
	t.Parallel()
	for _, n := range []Network{NetworkNone, NetworkNetlink, NetworkFull} {
		filtered(t, n, func() {
			for _, c := range sockets(n) {
				for _, garbage := range []uintptr{0, 1 << 32, 0xffffffff << 32} {
					args := []uintptr{uintptr(c.args[0]) | garbage, uintptr(c.args[1]) | unix.SOCK_CLOEXEC, uintptr(c.args[2]) | garbage}
					fd, errno := call(unix.SYS_SOCKET, args...)
					if errno == 0 {
						unix.Close(int(fd))
					}
					switch {
					case c.want != 0 && errno != c.want:
						t.Errorf("%s: socket%s: got %v, want %v", n, hex(args), errno, c.want)
					case c.want == 0 && errno != 0 && c.args[0] == unix.AF_UNIX:
						t.Errorf("%s: socket%s: %v", n, hex(args), errno)
					case c.want == 0 && errno == unix.EPERM: // ping needs a group; others may not be built
						t.Errorf("%s: socket%s: %v", n, hex(args), errno)
					}
				}
			}
			if pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
				t.Errorf("%s: socketpair: %v", n, err)
			} else {
				unix.Close(pair[0])
				unix.Close(pair[1])
			}
		})
	}
}

// TestLimitsOfOthers: another process of the same user keeps its limits. Its own a process may lower, and everybody's it may read.
func TestLimitsOfOthers(t *testing.T) {
	t.Parallel()
	other := exec.CommandContext(t.Context(), "/bin/sleep", "60")
	if err := other.Start(); err != nil {
		t.Skip("needs a process:", err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	var was unix.Rlimit
	if err := unix.Prlimit(other.Process.Pid, unix.RLIMIT_CORE, nil, &was); err != nil {
		t.Fatal(err)
	}
	lower := unix.Rlimit{Cur: 0, Max: was.Max}
	filtered(t, NetworkNone, func() {
		if err := unix.Prlimit(other.Process.Pid, unix.RLIMIT_CORE, &lower, nil); !errors.Is(err, unix.EPERM) {
			t.Errorf("setting: got %v, want EPERM", err)
		}
		var is unix.Rlimit
		if err := unix.Prlimit(other.Process.Pid, unix.RLIMIT_CORE, nil, &is); err != nil || is != was {
			t.Errorf("reading: got %v, %v, want %v", is, err, was)
		}
		if err := unix.Prlimit(0, unix.RLIMIT_STACK, nil, &is); err != nil {
			t.Error("reading its own:", err)
		}
		if err := unix.Prlimit(0, unix.RLIMIT_STACK, &is, nil); err != nil {
			t.Error("setting its own:", err)
		}
	})
	if err := unix.Prlimit(other.Process.Pid, unix.RLIMIT_CORE, &lower, nil); err != nil {
		t.Error("it cannot be done without the filter either:", err)
	}
}

// TestLimitOfCoreDumps: a process believes that it has changed it, and has not, by either call.
func TestLimitOfCoreDumps(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{childEnv + "=core"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// coreChild has the limit that the executor sets, and tries to lower it under the filter.
func coreChild() error {
	limit := unix.Rlimit{Cur: 1, Max: 1}
	if err := unix.Prlimit(0, unix.RLIMIT_CORE, &limit, nil); err != nil {
		return err
	}
	f, err := Assemble(NetworkNone)
	if err == nil {
		err = install(f)
	}
	if err != nil {
		return err
	}
	for _, nr := range []uintptr{unix.SYS_PRLIMIT64, unix.SYS_SETRLIMIT} {
		none := unix.Rlimit{}
		args := []uintptr{0, unix.RLIMIT_CORE, uintptr(unsafe.Pointer(&none)), 0}
		if nr == unix.SYS_SETRLIMIT {
			args = []uintptr{unix.RLIMIT_CORE, uintptr(unsafe.Pointer(&none))}
		}
		if _, errno := call(nr, args...); errno != 0 {
			return fmt.Errorf("call %d: %w", nr, errno)
		}
		var is unix.Rlimit
		if err := unix.Prlimit(0, unix.RLIMIT_CORE, nil, &is); err != nil || is != limit {
			return fmt.Errorf("after call %d the limit is %v, %w", nr, is, err)
		}
	}
	return nil
}
