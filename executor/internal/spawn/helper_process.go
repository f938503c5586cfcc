package spawn

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// RunHelper has to be called first thing in main, and in TestMain. In a process that Helper.Start has started it does its work and does not return; in any other one it
// returns at once. A helper process is known by its argv[0] and the two pipes it was given.
func RunHelper() {
	if len(os.Args) != 1 || os.Args[0] != helperName || !isPipe(fdMessage) || !isPipe(fdReport) {
		return
	}
	runtime.LockOSThread()
	result := record{kind: recordFailure}
	pid, err := makeChild()
	switch e := (*Error)(nil); {
	case err == nil:
		result = record{kind: recordPID, a: uint32(pid)}
	case errors.As(err, &e):
		result.a, result.b = uint32(e.Step), uint32(errnoOf(e.Err))
	default:
		result.a, result.b = uint32(StepHelper), uint32(errnoOf(err))
	}
	if _, err := unix.Write(fdReport, result.bytes()); err != nil {
		syscall.Exit(exitCode)
	}
	syscall.Exit(0)
}

func isPipe(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.EPROTO
}

// makeChild reads the message and makes the child, which starts by waiting for the gateway's leave.
func makeChild() (pid int, err error) {
	// The descriptors here are not for other processes of the same user.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return 0, err
	}
	s, m, err := receiveSpec()
	if err != nil {
		return 0, err
	}
	s.attach(m)
	if s.Namespaces != nil && s.Namespaces.User != nil {
		// Of a process that is not dumpable, /proc/self/uid_map belongs to root.
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
			return 0, err
		}
	}
	p, err := compile(s, fdMessage)
	if err != nil {
		return 0, err
	}
	defer runtime.KeepAlive(s)
	return p.fork()
}

// receiveSpec reads the message to its end and not further.
func receiveSpec() (*Spec, manifest, error) {
	header := make([]byte, headerSize)
	if err := readFull(header); err != nil {
		return nil, manifest{}, err
	}
	size, err := bodySize(header)
	if err != nil {
		return nil, manifest{}, err
	}
	body := make([]byte, size)
	if err := readFull(body); err != nil {
		return nil, manifest{}, err
	}
	return decode(body)
}

func readFull(buf []byte) error {
	for len(buf) > 0 {
		n, err := unix.Read(fdMessage, buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return errWire
		default:
			buf = buf[n:]
		}
	}
	return nil
}

// attach puts the inherited descriptors into the Spec.
func (s *Spec) attach(m manifest) {
	for i, place := range s.files() {
		if m.files&(1<<i) != 0 {
			*place = os.NewFile(uintptr(fdFiles+i), "")
		}
	}
	for i := range m.tasks {
		s.Tasks = append(s.Tasks, os.NewFile(uintptr(fdFiles+fileCount+i), ""))
	}
}

// fork runs the program in a child of the gateway's (CLONE_PARENT). The child has a copy of this memory, so that, unlike in Vfork, it can return from the
// system call like the parent, and nothing of the runtime is needed: all signals are blocked, and of this process's threads it has only this one.
//
//go:noinline
//go:norace
//go:nocheckptr
func (p *program) fork() (int, error) {
	p.report = fdReport
	p.message.kind = recordFailure
	p.sigset[0] = ^uint64(0)
	if _, _, e := syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&p.sigset[0])), 0, sigsetSize, 0, 0); e != 0 {
		return 0, &Error{StepClone, e}
	}
	nr, a1, a2, a3 := p.cloneCall(unix.CLONE_PARENT, 0)
	pid, _, e := syscall.RawSyscall6(nr, a1, a2, a3, 0, 0, 0)
	if e != 0 {
		return 0, &Error{StepClone, e}
	}
	if pid == 0 {
		run(p)
	}
	return int(pid), nil
}
