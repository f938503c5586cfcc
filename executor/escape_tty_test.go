package executor

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Terminals: who can type into one runs commands as whoever sits there.

var ttyTries = []try{
	{name: "open a terminal of its user", do: func(s *scene) error {
		if s.Terminal == "" {
			return errors.New("there is none")
		}
		return openAndClose(s.Terminal, os.O_RDWR|unix.O_NOCTTY)
	}, excuse: noTerminal},
	{name: "type into a terminal (TIOCSTI)", do: typeInto, excuse: noTyping},
	{name: "type into whatever its input is (TIOCSTI)", do: func(*scene) error { return ioctlInput(unix.TIOCSTI) }},
	{name: "paste into a console (TIOCLINUX)", do: func(*scene) error { return ioctlInput(tiocLinux) }},
	{name: "attach a line discipline (TIOCSETD)", do: func(*scene) error { return ioctlInput(unix.TIOCSETD) }},
	{name: "type into its input with a number above 32 bits", do: func(*scene) error { return ioctlInput(unix.TIOCSTI | 1<<32) }},
	{name: "open the controlling terminal", do: func(*scene) error { return openAndClose("/dev/tty", os.O_RDWR) }, excuse: always("every profile puts the command into a session of its own")},
}

const tiocLinux = 0x541c

func noTerminal(s *scene) string {
	if s.Terminal == "" {
		return "the host has no pseudo-terminals"
	}
	return ""
}

func noTyping(s *scene) string {
	if allowed, err := os.ReadFile("/proc/sys/dev/tty/legacy_tiocsti"); err == nil && strings.TrimSpace(string(allowed)) == "0" {
		if reason := needs(unix.CAP_SYS_ADMIN)(s); reason != "" {
			return reason
		}
	}
	return noTerminal(s)
}

// typeInto makes the terminal the controlling one of a child, and types.
func typeInto(s *scene) error {
	if s.Terminal == "" {
		return errors.New("there is none")
	}
	f, err := os.OpenFile(s.Terminal, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return inChild(raw(unix.SYS_SETSID), raw(unix.SYS_IOCTL, f.Fd(), unix.TIOCSCTTY, 0), raw(unix.SYS_IOCTL, f.Fd(), unix.TIOCSTI, text("x")))
}

// ioctlInput asks it of the standard input, which is no terminal.
func ioctlInput(request uintptr) error {
	_, err := invoke(unix.SYS_IOCTL, 0, request, address(new([8]byte)))
	return through(err, unix.ENOTTY)
}
