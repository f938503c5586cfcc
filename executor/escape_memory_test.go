package executor

import (
	"errors"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls into other processes: to trace them, to read and change their memory, to take their descriptors, to set their limits.

var memoryTries = func() []try {
	var tries []try
	for _, victim := range []struct {
		name   string
		find   func(*scene) process
		excuse func(*scene) string
		left   residue // of what belonging to the same user suffices for
	}{
		{"the gateway", func(s *scene) process { return s.Gateway }, ofGateway, scheduling(whoSelf)}, // root's processes have more capabilities
		{"a process of its user", func(s *scene) process { return s.Bystander }, nil, scheduling(whoSelf, whoUser, whoService)},
		{"another job", func(s *scene) process { return s.Beside }, nil, scheduling(whoRoot, whoSelf, whoUser, whoService)},
	} {
		for _, attack := range memoryAttacks {
			excuse, left := victim.excuse, residue{}
			if victim.name == "the gateway" && attack.byUser {
				excuse = ofOther
			}
			if attack.privileged {
				excuse = needs(unix.CAP_SYS_NICE)
			}
			if attack.scheduling {
				left = victim.left
			}
			tries = append(tries, try{
				name: attack.verb + " " + victim.name,
				do: func(s *scene) error {
					pid, err := victim.find(s).number()
					if err != nil {
						return err
					}
					return attack.do(s, pid)
				},
				excuse: excuse,
				left:   left,
			})
		}
	}
	return tries
}()

// memoryAttacks change nothing where they succeed: what is set is what was set before.
var memoryAttacks = []struct {
	verb       string
	do         func(*scene, int) error
	byUser     bool // belonging to the same user suffices
	privileged bool // it does not
	scheduling bool
}{
	{verb: "trace (PTRACE_ATTACH)", do: traceAttach},
	{verb: "trace (PTRACE_SEIZE)", do: traceSeize},
	{verb: "read memory (process_vm_readv) of", do: func(s *scene, pid int) error { return vm(s, pid, unix.ProcessVMReadv) }},
	{verb: "write memory (process_vm_writev) of", do: func(s *scene, pid int) error { return vm(s, pid, unix.ProcessVMWritev) }},
	{verb: "take a descriptor (pidfd_getfd) of", do: takeDescriptor},
	{verb: "compare descriptors (kcmp) with", do: func(_ *scene, pid int) error {
		_, err := invoke(unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(pid), 2, 0, 0)
		return err
	}},
	{verb: "move memory (move_pages) of", do: func(_ *scene, pid int) error {
		_, err := invoke(unix.SYS_MOVE_PAGES, uintptr(pid), 0, 0, 0, 0, 0)
		return err
	}},
	{verb: "advise on memory (process_madvise) of", do: func(_ *scene, pid int) error {
		return byPidfd(pid, func(fd uintptr) error {
			_, err := invoke(unix.SYS_PROCESS_MADVISE, fd, address(new([2]uintptr)), 1, unix.MADV_COLD, 0)
			return err
		})
	}, privileged: true},
	{verb: "take the memory (process_mrelease) of", do: func(_ *scene, pid int) error {
		return byPidfd(pid, func(fd uintptr) error {
			_, err := invoke(unix.SYS_PROCESS_MRELEASE, fd, 0)
			return through(err, unix.EINVAL) // it does not end
		})
	}},
	{verb: "move memory (migrate_pages) of", do: func(_ *scene, pid int) error {
		_, err := invoke(unix.SYS_MIGRATE_PAGES, uintptr(pid), 1, address(new(uint64)), address(new(uint64)))
		return through(err, unix.EINVAL)
	}},
	{verb: "find the locks (get_robust_list) of", do: robustList},
	{verb: "set the limits of", do: setLimit, byUser: true},
	{verb: "set the priority of", do: setPriority, byUser: true, scheduling: true},
	{verb: "set the processors of", do: setProcessors, byUser: true, scheduling: true},
	{verb: "set the input and output priority of", do: setIOPriority, byUser: true, scheduling: true},
	{verb: "set the scheduling (sched_setattr) of", do: setScheduling, byUser: true, scheduling: true},
}

func scheduling(as ...string) residue {
	return residue{why: "scheduling of processes of the command's user", in: []Profile{ProfileConfined}, as: as}
}

// traceAttach stops the process and lets it go.
func traceAttach(_ *scene, pid int) error {
	runtime.LockOSThread() // the tracer is a thread
	defer runtime.UnlockOSThread()
	if err := unix.PtraceAttach(pid); err != nil {
		return err
	}
	if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != nil {
		return err
	}
	return unix.PtraceDetach(pid)
}

// traceSeize lets go by the end of the tracer.
func traceSeize(_ *scene, pid int) error {
	return inChild(raw(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, 0))
}

// vm moves the memory of the gateway, or no memory at all.
func vm(s *scene, pid int, move func(int, []unix.Iovec, []unix.RemoteIovec, uint) (int, error)) error {
	buf := []byte(fileText)
	local := []unix.Iovec{{Base: &buf[0]}}
	local[0].SetLen(len(buf))
	if pid != s.Gateway.PID {
		// What is where in that process is not known; that an address is found wrong comes after the right to use it.
		_, err := move(pid, local, []unix.RemoteIovec{{Base: 1, Len: 1}}, 0)
		return through(err, unix.EFAULT)
	}
	n, err := move(pid, local, []unix.RemoteIovec{{Base: s.Memory, Len: len(buf)}}, 0)
	if err == nil && (n != len(fileText) || string(buf) != fileText) {
		err = errors.New("something else was there")
	}
	return err
}

func takeDescriptor(s *scene, pid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	target := 0
	if pid == s.Gateway.PID {
		target = s.File
	}
	fd, err := unix.PidfdGetfd(pidfd, target, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func byPidfd(pid int, do func(uintptr) error) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(uintptr(fd))
}

func setScheduling(_ *scene, pid int) error {
	attr, err := unix.SchedGetAttr(pid, 0)
	if err != nil {
		return err
	}
	return unix.SchedSetAttr(pid, attr, 0)
}

func robustList(_ *scene, pid int) error {
	var head, size uintptr
	_, err := invoke(unix.SYS_GET_ROBUST_LIST, uintptr(pid), uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&size)))
	return err
}

func setLimit(_ *scene, pid int) error {
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_CORE, nil, &limit); err != nil {
		return err
	}
	return unix.Prlimit(pid, unix.RLIMIT_CORE, &limit, nil)
}

func setPriority(_ *scene, pid int) error {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, pid)
	if err != nil {
		return err
	}
	return unix.Setpriority(unix.PRIO_PROCESS, pid, 20-n) // the call returns another number than it takes
}

func setProcessors(_ *scene, pid int) error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil {
		return err
	}
	return unix.SchedSetaffinity(pid, &set)
}

func setIOPriority(_ *scene, pid int) error {
	const whoProcess = 1
	n, err := invoke(unix.SYS_IOPRIO_GET, whoProcess, uintptr(pid))
	if err != nil {
		return err
	}
	_, err = invoke(unix.SYS_IOPRIO_SET, whoProcess, uintptr(pid), n)
	return err
}
