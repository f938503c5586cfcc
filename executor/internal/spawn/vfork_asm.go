//go:build amd64 || arm64

package spawn

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The child borrows the memory, and the thread that makes it is suspended until the child has executed the command or ended. The runtime is told
// that this thread is in a system call, as a C library's posix_spawn would be under cgo: a garbage collection does not wait for it, its
// processor goes to other goroutines, and its stack, up to the frame that called entersyscall, is neither moved nor looked at below.
//
// The hooks that package syscall calls around its own fork (syscall.runtime_BeforeFork, runtime_AfterFork, runtime_AfterForkInChild) leave the
// thread running Go code as far as the runtime knows. Every garbage collection then waits for the child; and a process of the user that the
// child has just become may stop it (SIGSTOP), and with it the whole gateway. What else they do is done here, and by the program: all
// signals are blocked from before the child is made until it has default dispositions.
//
// The linker allows these two because gVisor uses them (go.dev/issue/67401): their signatures stay.

//go:linkname entersyscall runtime.entersyscall
func entersyscall()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

// clone makes the system call. The child runs p; the parent returns. It is in assembly, which says how they share a stack.
func clone(nr, a1, a2, a3 uintptr, p *program) (pid, errno uintptr)

// Vfork makes a child that shares the gateway's memory until it executes the command (CLONE_VFORK, CLONE_VM): its cost does not grow with that memory.
// It returns once the command is executed, or has been refused. It may be called from several goroutines at once.
//
// It holds syscall.ForkLock for reading, so that whoever holds it for writing knows that no child has a copy of a descriptor just then. The
// child itself passes on none but Spec.Stdio. While Vfork runs, nobody may wait for unknown children of the gateway.
//
// After a child has changed its user, the gateway is not dumpable (see prctl(2)): the kernel does that to the memory of a process whose user changes.
func Vfork(s *Spec) (Child, error) {
	defer runtime.KeepAlive(s)
	lows() // while the low numbers are free
	p, err := compile(s, -1)
	if err != nil {
		return Child{}, err
	}
	defer p.close()
	if s.Namespaces != nil && s.Namespaces.User != nil {
		if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 1 {
			return Child{}, &Error{StepUserMap, ErrNotDumpable}
		}
	}
	return p.vfork()
}

// vfork runs the program in a child.
func (p *program) vfork() (Child, error) {
	p.pidfd, p.report = -1, -1
	nr, a1, a2, a3 := p.cloneCall(unix.CLONE_VFORK|unix.CLONE_VM|unix.CLONE_PIDFD, uintptr(unsafe.Pointer(&p.pidfd)))

	over, killed := make(chan struct{}), make(chan bool, 1)
	timer := time.AfterFunc(patience, func() { killed <- p.killLate(over) })
	syscall.ForkLock.RLock()
	pid, errno := p.suspend(nr, a1, a2, a3)
	syscall.ForkLock.RUnlock()
	close(over)
	late := !timer.Stop() && <-killed

	switch {
	case errno != 0:
		return Child{}, &Error{StepClone, syscall.Errno(errno)}
	case late:
		discard(int(pid), int(p.pidfd))
		return Child{}, &Error{p.step, errTooLate}
	case p.errno != 0:
		discard(int(pid), int(p.pidfd))
		return Child{}, &Error{p.step, p.errno}
	}
	return adopt(int(pid), int(p.pidfd)), nil
}

// suspend makes the child and returns when it shares this memory no longer. After entersyscall nothing may be called that could grow the stack.
//
//go:noinline
//go:norace
//go:nocheckptr
func (p *program) suspend(nr, a1, a2, a3 uintptr) (pid, errno uintptr) {
	p.sigset[0] = ^uint64(0)
	entersyscall()
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&p.sigset[0])), uintptr(unsafe.Pointer(&p.sigset[1])), sigsetSize, 0, 0)
	pid, errno = clone(nr, a1, a2, a3, p)
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&p.sigset[1])), 0, sigsetSize, 0, 0)
	exitsyscall()
	return pid, errno
}

// killLate kills a child that did not become the command in time, unless over is closed before there is one, and tells whether it did.
func (p *program) killLate(over <-chan struct{}) bool {
	again := time.NewTicker(patience)
	defer again.Stop()
	for {
		if fd := atomic.LoadInt32(&p.pidfd); fd >= 0 && unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) == nil {
			return true
		}
		select {
		case <-over:
			return false
		case <-again.C:
		}
	}
}
