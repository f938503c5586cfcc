package spawn

import (
	"math"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	sigsetSize = 8  // bytes of the kernel's sigset_t
	maxSignal  = 64 // signals are numbered from 1
	sigIgnore  = 1  // SIG_IGN
	maxCap     = 63
	softNoFile = 1024
)

// What calls point to without ever writing to it.
var (
	zeros     [64]byte
	capHeader = unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
)

// supported tells whether the calls below, and the layout of what they point to, are right for this processor.
func supported() bool {
	switch runtime.GOARCH {
	case "amd64", "arm64", "loong64", "ppc64", "ppc64le", "riscv64":
		return true
	}
	return false
}

// compile writes the program of a Spec; the package documentation gives the order and its reasons. If leave is not -1, the child begins by waiting for a
// byte from that descriptor, and has a table of descriptors of its own from the start. The caller closes the program.
//
// It is not inlined, so that the program is on the heap for certain, and with it all that the program keeps.
//
//go:noinline
func compile(s *Spec, leave int) (*program, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	p := &program{cgroup: -1, pidfd: -1, report: -1, calls: *room.Get().(*[]call)}
	// What maps users opens files, which must not appear among the gateway's.
	p.shares = leave < 0 && (s.Namespaces == nil || s.Namespaces.User == nil)
	if leave >= 0 {
		p.add(StepHelper, unix.SYS_READ, uintptr(leave), address(p, new(byte)), 1).least = 1
	}
	for _, step := range []func(*Spec) error{
		p.addCgroups, p.addNamespaces, p.addSession, p.addStdio, p.addIdentity, p.addDir, p.addRlimits, p.addRestrictions, p.addExec,
	} {
		if err := step(s); err != nil {
			p.close()
			return nil, err
		}
	}
	if p.shares {
		p.calls[p.table].args[0] = p.top + 1
	}
	return p, nil
}

// addTable gives the child a table of descriptors of its own, with those that it needs from here on and what lies between them. Nothing may be opened or
// closed before it. The gateway's thread, which waits meanwhile, has the shared one too: so it is copied, and what is closed is closed in the copy.
func (p *program) addTable(*Spec) error {
	if p.shares {
		p.table = len(p.calls)
		p.add(StepDescriptors, unix.SYS_CLOSE_RANGE, 0, math.MaxUint32, unix.CLOSE_RANGE_UNSHARE)
	}
	return nil
}

// cloneCall is the system call that makes the child, with more flags. clone3(2) is left alone where it is not needed: container runtimes refuse it,
// because their filters cannot see its flags. Where it is used, it resets what the gateway handles of signals as well.
func (p *program) cloneCall(flags, pidfd uintptr) (nr, a1, a2, a3 uintptr) {
	flags |= p.flags
	if p.shares {
		flags |= unix.CLONE_FILES
	}
	if !p.clears() {
		return unix.SYS_CLONE, flags | uintptr(unix.SIGCHLD), 0, pidfd
	}
	args := &cloneArgs{flags: uint64(flags) | unix.CLONE_INTO_CGROUP | unix.CLONE_CLEAR_SIGHAND, pidfd: uint64(pidfd), cgroup: uint64(p.cgroup)}
	if flags&unix.CLONE_PARENT == 0 { // with it the signal is that of the caller, and must not be given
		args.exitSignal = uint64(unix.SIGCHLD)
	}
	return unix.SYS_CLONE3, address(p, args), unsafe.Sizeof(*args), 0
}

// clears tells whether the child is made by clone3(2), which clears what the gateway handles of signals.
func (p *program) clears() bool { return p.cgroup >= 0 }

// cloneArgs is struct clone_args of linux/sched.h.
type cloneArgs struct {
	flags, pidfd uint64
	_            [2]uint64 // child_tid, parent_tid
	exitSignal   uint64
	_            [5]uint64 // stack, stack_size, tls, set_tid, set_tid_size
	cgroup       uint64
}

func (p *program) addCgroups(s *Spec) error {
	if s.Cgroup != nil {
		fd, err := number(s.Cgroup, StepClone)
		if err != nil {
			return err
		}
		p.cgroup = int32(fd)
	}
	return nil
}

// addTasks moves the child, which is one thread, into cgroups of version 1: "0" is the writer itself, and moving one thread takes no
// lock of the whole system.
func (p *program) addTasks(s *Spec) error {
	for _, f := range s.Tasks {
		fd, err := number(f, StepTasks)
		if err != nil {
			return err
		}
		if err := p.addWrite(StepTasks, fd, "0"); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) addWrite(step Step, fd uintptr, text string) error {
	at, err := p.text(step, text)
	if err != nil {
		return err
	}
	p.add(step, unix.SYS_WRITE, fd, at, uintptr(len(text))).least = uintptr(len(text))
	return nil
}

// addSession takes the child out of the gateway's session and process group: it has no controlling terminal to inject input into, and
// can move to no other group. Then its signals are what every program expects to find; the gateway's handlers do not survive execve(2), but a
// signal that the gateway ignores would be ignored.
func (p *program) addSession(*Spec) error {
	p.add(StepSession, unix.SYS_SETSID)
	zero := uintptr(unsafe.Pointer(&zeros)) // SIG_DFL, and the empty set
	for sig := uintptr(1); sig <= maxSignal; sig++ {
		switch {
		case sig == uintptr(unix.SIGKILL) || sig == uintptr(unix.SIGSTOP):
		case p.clears() && !isIgnored(syscall.Signal(sig)): // the clone has done that
		default:
			p.add(StepSignals, unix.SYS_RT_SIGACTION, sig, zero, 0, sigsetSize)
		}
	}
	p.add(StepSignals, unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, zero, 0, sigsetSize)
	return nil
}

// isIgnored tells whether the gateway ignores a signal: since it was started, or by its own wish.
func isIgnored(s syscall.Signal) bool { return ignoredAtStart()[s] || signal.Ignored(s) }

// ignoredAtStart asks for each signal. Go sets a handler for most, but not for those that stop a process.
var ignoredAtStart = sync.OnceValue(func() (ignored [maxSignal + 1]bool) {
	for sig := 1; sig <= maxSignal; sig++ {
		var action [4]uintptr // struct sigaction of the kernel: the handler comes first
		_, _, err := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&action)), sigsetSize, 0, 0)
		ignored[sig] = err == 0 && action[0] == sigIgnore
	}
	return ignored
})

func (p *program) addStdio(s *Spec) error {
	for i, f := range s.Stdio {
		fd, err := p.fd(f, StepStdio)
		if err != nil {
			return err
		}
		p.add(StepStdio, unix.SYS_DUP3, fd, uintptr(i), 0)
	}
	return nil
}

func (p *program) addRlimits(s *Spec) error {
	limits := s.Rlimits
	if !slices.ContainsFunc(limits, func(l Rlimit) bool { return l.Resource == unix.RLIMIT_NOFILE }) {
		var own unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil {
			return &Error{StepRlimits, err}
		}
		limits = append(slices.Clip(limits), Rlimit{unix.RLIMIT_NOFILE, min(softNoFile, own.Max), own.Max})
	}
	for _, l := range limits {
		at := address(p, &unix.Rlimit{Cur: l.Soft, Max: l.Hard})
		p.add(StepRlimits, unix.SYS_PRLIMIT64, 0, uintptr(l.Resource), at, 0)
	}
	return nil
}

// addIdentity changes the user and takes the capabilities.
func (p *program) addIdentity(s *Spec) error {
	if set := boundingSet(s); s.DropCapabilities && len(set) > 0 && (mayDropBounding(s) || !s.NoNewPrivs) {
		for _, c := range set {
			p.add(StepBoundingSet, unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c)
		}
	}
	if id := s.Identity; id != nil {
		var groups uintptr
		if len(id.Groups) > 0 {
			list := slices.Clone(id.Groups)
			groups = address(p, &list[0])
		}
		uid, gid := uintptr(id.UID), uintptr(id.GID)
		p.add(StepIdentity, unix.SYS_SETGROUPS, uintptr(len(id.Groups)), groups)
		p.add(StepIdentity, unix.SYS_SETRESGID, gid, gid, gid)
		p.add(StepIdentity, unix.SYS_SETRESUID, uid, uid, uid)
		// The change of user has set this to the sysctl fs.suid_dumpable, which may be 1. The memory may be the gateway's, and other
		// processes of that user could now read it.
		p.add(StepIdentity, unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0)
	}
	p.add(StepCapabilities, unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
	if s.DropCapabilities {
		p.add(StepCapabilities, unix.SYS_CAPSET, uintptr(unsafe.Pointer(&capHeader)), uintptr(unsafe.Pointer(&zeros)))
	}
	return nil
}

// boundingSet is what the child's bounding set will hold: in a user namespace of its own everything, else what that of the gateway holds. Each drop costs
// the child a copy of its credentials, so that a gateway whose set is small, as a service's should be, has faster children.
func boundingSet(s *Spec) []uintptr {
	if s.Namespaces != nil && s.Namespaces.User != nil {
		return capabilities().known
	}
	return capabilities().bounding
}

// capabilities are those that the kernel knows, and those of them in the bounding set that the gateway was started with. Nothing is ever added to that.
var capabilities = sync.OnceValue(func() (c struct{ known, bounding []uintptr }) {
	for nr := range uintptr(maxCap + 1) {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, nr, 0, 0, 0)
		if err != nil {
			break
		}
		c.known = append(c.known, nr)
		if has != 0 {
			c.bounding = append(c.bounding, nr)
		}
	}
	return c
})

// mayDropBounding tells whether the child will have CAP_SETPCAP: in a user namespace of its own it has everything, else what this thread has.
func mayDropBounding(s *Spec) bool {
	if s.Namespaces != nil && s.Namespaces.User != nil {
		return true
	}
	header := capHeader
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SETPCAP) != 0
}

func (p *program) addRestrictions(s *Spec) error {
	if s.NoNewPrivs {
		p.add(StepNoNewPrivs, unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	}
	if s.Landlock != nil {
		fd, err := p.fd(s.Landlock, StepLandlock)
		if err != nil {
			return err
		}
		p.add(StepLandlock, unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0)
	}
	if len(s.Filter) > 0 {
		at := address(p, &unix.SockFprog{Len: uint16(len(s.Filter)), Filter: &s.Filter[0]})
		p.add(StepSeccomp, unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, at)
	}
	return nil
}

func (p *program) addExec(s *Spec) error {
	fd, err := p.fd(s.Executable, StepExec)
	if err != nil {
		return err
	}
	argv, err := p.texts(StepExec, s.Argv)
	if err != nil {
		return err
	}
	env, err := p.texts(StepExec, s.Env)
	if err != nil {
		return err
	}
	p.add(StepDescriptors, unix.SYS_CLOSE_RANGE, 3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	p.add(StepExec, unix.SYS_EXECVEAT, fd, uintptr(unsafe.Pointer(&p.none)), argv, env, unix.AT_EMPTY_PATH)
	return nil
}
