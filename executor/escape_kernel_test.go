package executor

import (
	"os"

	"golang.org/x/sys/unix"
)

// Calls that change the host, or have had more than their share of the kernel's holes. Those that would do harm are made with arguments that
// the kernel refuses with another error than a filter, once it has found the caller entitled.

var kernelTries = []try{
	{name: "bpf", do: kernelCall(unix.SYS_BPF, []uintptr{1 << 20, 0, 0}, unix.EINVAL, unix.EFAULT), excuse: needs(unix.CAP_SYS_ADMIN)},
	{name: "io_uring_setup", do: kernelCall(unix.SYS_IO_URING_SETUP, []uintptr{0, 0}, unix.EFAULT, unix.EINVAL), excuse: always("io_uring is switched off")},
	{name: "io_uring_enter", do: kernelCall(unix.SYS_IO_URING_ENTER, []uintptr{bad, 0, 0, 0, 0}, unix.EBADF)},
	{name: "io_uring_register", do: kernelCall(unix.SYS_IO_URING_REGISTER, []uintptr{bad, 0, 0, 0}, unix.EBADF, unix.EINVAL)},
	{name: "userfaultfd", do: kernelCall(unix.SYS_USERFAULTFD, []uintptr{unix.O_CLOEXEC | 1})}, // UFFD_USER_MODE_ONLY
	{name: "perf_event_open", do: kernelCall(unix.SYS_PERF_EVENT_OPEN, []uintptr{0, 0, bad, bad, 0}, unix.EFAULT)},
	{name: "keyctl", do: kernelCall(unix.SYS_KEYCTL, []uintptr{unix.KEYCTL_GET_KEYRING_ID, keyring, 1})},
	{name: "add_key", do: func(*scene) error {
		_, err := invoke(unix.SYS_ADD_KEY, text("user"), text("sidegate-test"), text("x"), 1, keyring)
		return err
	}},
	{name: "request_key", do: func(*scene) error {
		_, err := invoke(unix.SYS_REQUEST_KEY, text("user"), text("sidegate-test-none"), 0, 0)
		return through(err, unix.ENOKEY)
	}},
	{name: "fanotify_init", do: kernelCall(unix.SYS_FANOTIFY_INIT, []uintptr{unix.FAN_CLOEXEC | unix.FAN_REPORT_FID, unix.O_RDONLY})},
	{name: "kexec_load", do: kernelCall(unix.SYS_KEXEC_LOAD, []uintptr{0, 0, 0, bad}, unix.EINVAL), excuse: needs(unix.CAP_SYS_BOOT)},
	{name: "kexec_file_load", do: kernelCall(unix.SYS_KEXEC_FILE_LOAD, []uintptr{bad, bad, 0, 0, bad}, unix.EINVAL), excuse: needs(unix.CAP_SYS_BOOT)},
	{name: "init_module", do: kernelCall(unix.SYS_INIT_MODULE, []uintptr{0, 0, 0}, unix.EFAULT, unix.ENOEXEC), excuse: needs(unix.CAP_SYS_MODULE)},
	{name: "finit_module", do: kernelCall(unix.SYS_FINIT_MODULE, []uintptr{bad, 0, 0}, unix.EFAULT, unix.EBADF), excuse: needs(unix.CAP_SYS_MODULE)},
	{name: "delete_module", do: kernelCall(unix.SYS_DELETE_MODULE, []uintptr{0, 0}, unix.EFAULT), excuse: needs(unix.CAP_SYS_MODULE)},
	{name: "reboot", do: kernelCall(unix.SYS_REBOOT, []uintptr{0, 0, 0, 0}, unix.EINVAL), excuse: needs(unix.CAP_SYS_BOOT)},
	{name: "swapon", do: kernelCall(unix.SYS_SWAPON, []uintptr{0, bad}, unix.EINVAL, unix.EFAULT), excuse: needs(unix.CAP_SYS_ADMIN)},
	{name: "swapoff", do: kernelCall(unix.SYS_SWAPOFF, []uintptr{0}, unix.EFAULT), excuse: needs(unix.CAP_SYS_ADMIN)},
	{name: "acct", do: kernelCall(unix.SYS_ACCT, []uintptr{1}, unix.EFAULT), excuse: needs(unix.CAP_SYS_PACCT)},
	{name: "clock_settime", do: kernelCall(unix.SYS_CLOCK_SETTIME, []uintptr{unix.CLOCK_REALTIME, 1}, unix.EFAULT)},
	{name: "settimeofday", do: kernelCall(unix.SYS_SETTIMEOFDAY, []uintptr{1, 0}, unix.EFAULT)},
	{name: "adjtimex", do: func(*scene) error {
		_, err := unix.Adjtimex(&unix.Timex{Modes: unix.ADJ_TICK, Tick: -1})
		return through(err, unix.EINVAL)
	}, excuse: needs(unix.CAP_SYS_TIME)},
	{name: "sethostname", do: kernelCall(unix.SYS_SETHOSTNAME, []uintptr{0, bad}, unix.EINVAL), excuse: needs(unix.CAP_SYS_ADMIN)},
	{name: "setdomainname", do: kernelCall(unix.SYS_SETDOMAINNAME, []uintptr{0, bad}, unix.EINVAL), excuse: needs(unix.CAP_SYS_ADMIN)},
	{name: "read the kernel's log (syslog)", do: kernelCall(unix.SYS_SYSLOG, []uintptr{10, 0, 0}), excuse: needs(unix.CAP_SYSLOG)},
	{name: "hide memory (memfd_secret)", do: kernelCall(unix.SYS_MEMFD_SECRET, []uintptr{unix.O_CLOEXEC})},
	{name: "take fixed addresses (personality)", do: func(*scene) error { return inChild(raw(unix.SYS_PERSONALITY, 0x0040000)) }},
	{name: "make what may be read executable (personality)", do: func(*scene) error { return inChild(raw(unix.SYS_PERSONALITY, 0x0400000)) }},
	{name: "quotactl", do: kernelCall(unix.SYS_QUOTACTL, []uintptr{quotaOn, bad, 0, 0}, unix.EFAULT), excuse: needs(unix.CAP_SYS_ADMIN)},
	{name: "quotactl_fd", do: func(s *scene) error {
		f, err := os.Open(s.Readable)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = invoke(unix.SYS_QUOTACTL_FD, f.Fd(), quotaSync, 0, 0)
		return through(err, unix.ESRCH, unix.EINVAL)
	}},
	{name: "hang up the terminal (vhangup)", do: kernelCall(unix.SYS_VHANGUP, nil), excuse: needs(unix.CAP_SYS_TTY_CONFIG)},
	{name: "label itself (lsm_set_self_attr)", do: kernelCall(unix.SYS_LSM_SET_SELF_ATTR, []uintptr{100, bad, 32, 0}, unix.EFAULT, unix.EOPNOTSUPP)},
	{name: "change the map of its memory (PR_SET_MM)", do: func(*scene) error {
		return through(inChild(raw(unix.SYS_PRCTL, unix.PR_SET_MM, unix.PR_SET_MM_START_BRK, 0, 0)), unix.EINVAL)
	}, excuse: needs(unix.CAP_SYS_RESOURCE)},
	{name: "share a processor's core with the gateway (PR_SCHED_CORE)", do: func(s *scene) error {
		return toGateway(s, func(pid int) error {
			return inChild(raw(unix.SYS_PRCTL, unix.PR_SCHED_CORE, unix.PR_SCHED_CORE_SHARE_FROM, uintptr(pid), 1, 0))
		})
	}, excuse: always("the kernel may not have it")},
	{name: "answer calls of others (seccomp)", do: func(*scene) error {
		return through(inChild(raw(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, 0)), unix.EFAULT)
	}},
	{name: "make a call that the newest kernels have (listns)", do: kernelCall(unix.SYS_LISTNS, []uintptr{0, 0, 0, 0}, unix.EINVAL, unix.EFAULT)},
	{name: "make a call that no kernel has", do: kernelCall(4000, nil), excuse: always("there is none")},
}

// Commands of quotactl(2) for users' quotas.
const (
	quotaOn   = 0x800002 << 8
	quotaSync = 0x800001 << 8
)

const keyring = ^uintptr(1) // KEY_SPEC_PROCESS_KEYRING, -2

// kernelCall makes a call, and takes the errors for proofs that it was let through.
func kernelCall(nr uintptr, args []uintptr, proofs ...unix.Errno) func(*scene) error {
	return func(*scene) error {
		fd, err := invoke(nr, args...)
		switch nr {
		case unix.SYS_USERFAULTFD, unix.SYS_FANOTIFY_INIT, unix.SYS_MEMFD_SECRET:
			if err == nil {
				unix.Close(int(fd))
			}
		}
		return through(err, proofs...)
	}
}
