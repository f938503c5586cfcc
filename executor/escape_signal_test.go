package executor

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Signals, by every call that sends one. The gateway handles the ones that are used here, and counts them.

var signalTries = []try{
	{name: "signal the gateway (kill)", do: func(s *scene) error { return toGateway(s, func(pid int) error { return unix.Kill(pid, unix.SIGUSR1) }) }, excuse: needsToSignal, hardening: featureSignal},
	{name: "signal the gateway (tgkill)", do: func(s *scene) error {
		return toGateway(s, func(pid int) error { return unix.Tgkill(pid, pid, unix.SIGUSR1) })
	}, excuse: needsToSignal, hardening: featureSignal},
	{name: "signal the gateway (tkill)", do: func(s *scene) error {
		return toGateway(s, func(pid int) error { _, err := invoke(unix.SYS_TKILL, uintptr(pid), uintptr(unix.SIGUSR1)); return err })
	}, excuse: needsToSignal, hardening: featureSignal},
	{name: "signal the gateway (pidfd_send_signal)", do: func(s *scene) error { return toGateway(s, signalByPidfd) }, excuse: needsToSignal, hardening: featureSignal},
	{name: "signal the gateway (rt_sigqueueinfo)", do: func(s *scene) error { return toGateway(s, queueSignal) }, excuse: needsToSignal, hardening: featureSignal},
	{name: "signal the gateway (rt_tgsigqueueinfo)", do: func(s *scene) error { return toGateway(s, queueToThread) }, excuse: needsToSignal, hardening: featureSignal},
	{name: "signal the gateway's process group", do: func(s *scene) error {
		return toGateway(s, func(pid int) error { return unix.Kill(-pid, unix.SIGCONT) })
	}, excuse: needsToSignal, hardening: featureSignal},
	{name: "have the kernel signal the gateway (F_SETOWN)", do: func(s *scene) error {
		return toGateway(s, func(pid int) error { return signalByInput(pid, 0) })
	}, excuse: needsToSignal, hardening: featureSignal, arrived: unix.SIGIO},
	{name: "have the kernel signal the gateway (F_SETSIG)", do: func(s *scene) error {
		return toGateway(s, func(pid int) error { return signalByInput(pid, unix.SIGUSR2) })
	}, excuse: needsToSignal, hardening: featureSignal, arrived: unix.SIGUSR2},
	{name: "have the kernel signal the gateway's process group (F_SETOWN)", do: func(s *scene) error {
		return toGateway(s, func(pid int) error { return signalByInput(-pid, unix.SIGHUP) })
	}, excuse: needsToSignal, hardening: featureSignal, arrived: unix.SIGHUP},
	{name: "signal the gateway's process group (pidfd_send_signal)", do: func(s *scene) error {
		return toGateway(s, func(pid int) error {
			return byPidfd(pid, func(fd uintptr) error {
				return unix.PidfdSendSignal(int(fd), unix.SIGCONT, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
			})
		})
	}, excuse: sinceKernel(needsToSignal, "6.9"), hardening: featureSignal},
	{name: "signal every process that there is (kill -1)", do: signalAll, excuse: always("it would reach everything on the host"), hardening: featureSignal, arrived: unix.SIGCONT},
	{name: "signal a process of its user", do: func(s *scene) error { return toProcess(s.Bystander) }, hardening: featureSignal},
	{name: "signal another job", do: func(s *scene) error { return toProcess(s.Beside) }, hardening: featureSignal},
	{name: "become the gateway's process group", do: func(s *scene) error {
		return toGateway(s, func(pid int) error { return unix.Setpgid(0, pid) })
	}, excuse: always("every profile puts the command into a session of its own")},
	{name: "make a child of the gateway (CLONE_PARENT)", do: makeSibling},
	{name: "have the gateway trace it (PTRACE_TRACEME)", do: func(*scene) error { return inChild(raw(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0, 0)) }},
}

func needsToSignal(s *scene) string {
	if s.switches() {
		return needs(unix.CAP_KILL)(s)
	}
	return ""
}

func toGateway(s *scene, send func(int) error) error {
	pid, err := s.Gateway.number()
	if err != nil {
		return err
	}
	return send(pid)
}

// toProcess sends a signal that does nothing to a process that is not stopped.
func toProcess(p process) error {
	pid, err := p.number()
	if err != nil {
		return err
	}
	return unix.Kill(pid, unix.SIGCONT)
}

// signalAll succeeds also if no process gets the signal.
func signalAll(s *scene) error {
	if s.free() {
		return errors.New("not tried")
	}
	return unix.Kill(-1, unix.SIGCONT)
}

func signalByPidfd(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.PidfdSendSignal(fd, unix.SIGUSR1, nil, 0)
}

// siginfo is what a process may queue for another one: struct siginfo with a negative code.
func siginfo() *[128 / 4]int32 { return &[128 / 4]int32{int32(unix.SIGUSR1), 0, -1} }

func queueSignal(pid int) error {
	_, err := invoke(unix.SYS_RT_SIGQUEUEINFO, uintptr(pid), uintptr(unix.SIGUSR1), address(siginfo()))
	return err
}

func queueToThread(pid int) error {
	_, err := invoke(unix.SYS_RT_TGSIGQUEUEINFO, uintptr(pid), uintptr(pid), uintptr(unix.SIGUSR1), address(siginfo()))
	return err
}

// signalByInput makes the process the one that is told when a pipe has input. That it may not be told is found out by the kernel when there is some,
// and told to nobody.
func signalByInput(pid int, sig unix.Signal) error {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return err
	}
	r, w := os.NewFile(uintptr(p[0]), ""), os.NewFile(uintptr(p[1]), "")
	defer r.Close()
	defer w.Close()
	fd := uintptr(p[0])
	if _, err := unix.FcntlInt(fd, unix.F_SETOWN, pid); err != nil {
		return err
	}
	if sig != 0 {
		if _, err := unix.FcntlInt(fd, unix.F_SETSIG, int(sig)); err != nil {
			return err
		}
	}
	if _, err := unix.FcntlInt(fd, unix.F_SETFL, unix.O_ASYNC|unix.O_NONBLOCK); err != nil {
		return err
	}
	_, err := w.WriteString("x")
	return err
}

// makeSibling makes a child that its maker's parent has to wait for, which does not know of it.
func makeSibling(*scene) error {
	pid, errno := forkRaw(cloning(unix.CLONE_PARENT), nil)
	if errno != 0 {
		return errno
	}
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err == nil {
		return unix.ECHILD // it is its own child all the same
	}
	return nil
}
