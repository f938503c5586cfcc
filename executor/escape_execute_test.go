package executor

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Programs that are not on the list: the command may start its own program, and two that are no use to it.

var executeTries = []try{
	{name: "execute a program by its path", do: func(s *scene) error { return start(notListed()) }},
	{name: "execute a shell", do: func(s *scene) error { return start("/bin/sh", "-c", "exit 0") }},
	{name: "execute a set-user-ID program of the host", do: func(s *scene) error { return start(hostSetuid(), "--version") }, excuse: always("the host has none")},
	{name: "execute a program by its descriptor (O_PATH)", do: func(s *scene) error { return executeOpened(unix.O_PATH) }},
	{name: "execute a program by its descriptor (O_RDONLY)", do: func(s *scene) error { return executeOpened(unix.O_RDONLY) }},
	{name: "execute a program by the name of a descriptor", do: executeByName},
	{name: "execute a program of a directory's descriptor", do: executeIn},
	{name: "execute the program of a process of its user", do: func(s *scene) error { return start(s.Bystander.dir()+"/exe", "--help") }},
	{name: "execute a copy of a program", do: func(s *scene) error { return withCopy(s.own(), func(f *os.File) error { return start(f.Name()) }) }},
	{name: "execute a copy of a program in a writable root", do: func(s *scene) error { return withCopy(s.Writable, func(f *os.File) error { return start(f.Name()) }) }},
	{name: "execute a copy that has no name any more", do: executeUnlinked},
	{name: "execute a program through a script", do: func(s *scene) error { return executeScript(s, notListed()) }},
	{name: "execute a script with an interpreter of its list", do: func(s *scene) error { return executeScript(s, s.in(programPlain)) }},
	{name: "execute an interpreter with a script", do: func(s *scene) error { return start(interpreter(), "-e", "1") }, excuse: always("the host has none")},
	{name: "execute memory (memfd_create)", do: func(*scene) error { return executeMemory(0, false) }},
	{name: "execute memory (memfd_create, MFD_EXEC)", do: func(*scene) error { return executeMemory(unix.MFD_EXEC, false) }, excuse: olderThan("6.3")},
	{name: "execute memory by its name", do: func(*scene) error { return executeMemory(0, true) }},
	{name: "execute memory that is not to be (MFD_NOEXEC_SEAL)", do: func(*scene) error { return executeMemory(unix.MFD_NOEXEC_SEAL, false) }, excuse: always("it is not executable")},
	{name: "make memory executable that is not to be", do: unsealMemory, excuse: always("it is sealed")},
	{name: "execute a program through the loader", do: func(s *scene) error { return executeLoaded(notListed()) },
		excuse: always("there is no loader"), left: mapped},
	{name: "execute a copy of a program through the loader", do: func(s *scene) error {
		return withCopy(s.own(), func(f *os.File) error { return executeLoaded(f.Name()) })
	}, excuse: always("there is no loader"), left: mapped},
	{name: "map a file of its own as code", do: func(s *scene) error { return withCopy(s.own(), mapCode) }, left: mapped},
}

// mapped is what a list of programs cannot prevent.
var mapped = residue{why: "code from any file that may be read, mapped by the loader or the command itself", in: []Profile{ProfileConfined, ProfileIsolated}}

// notListed is a program that does nothing.
func notListed() string {
	path, err := exec.LookPath("/usr/bin/true")
	if err != nil {
		path = "/bin/true"
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path
}

func hostSetuid() string {
	for _, path := range []string{"/usr/bin/su", "/bin/su", "/usr/bin/passwd", "/usr/bin/mount", "/usr/bin/sudo"} {
		if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSetuid != 0 {
			return path
		}
	}
	return "/nonexistent/su"
}

func interpreter() string {
	for _, name := range []string{"perl", "python3", "awk"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return "/nonexistent/perl"
}

// start executes a program and tells whether it was executed, however it ended.
func start(path string, args ...string) error {
	err := exec.Command(path, args...).Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return nil
	}
	return err
}

// executeFD executes an open file in a child.
func executeFD(fd uintptr) error {
	argv := &[2]uintptr{text("true"), 0}
	return inChild(raw(unix.SYS_EXECVEAT, fd, text(""), address(argv), address(new(uintptr)), unix.AT_EMPTY_PATH))
}

func executeOpened(flags int) error {
	f, err := os.OpenFile(notListed(), flags, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return executeFD(f.Fd())
}

// executeIn executes a program by its name in an open directory.
func executeIn(*scene) error {
	dir, err := os.OpenFile(filepath.Dir(notListed()), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	argv := &[2]uintptr{text("true"), 0}
	return inChild(raw(unix.SYS_EXECVEAT, dir.Fd(), text(filepath.Base(notListed())), address(argv), address(new(uintptr)), 0))
}

func executeByName(*scene) error {
	f, err := os.OpenFile(notListed(), unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return start(descriptorPath(f))
}

// withCopy makes a copy of a program that is open for reading alone: one that is open for writing cannot be executed.
func withCopy(dir string, use func(*os.File) error) error {
	program, err := os.ReadFile(notListed())
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "copy")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		return err
	}
	defer os.Remove(path)
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return use(f)
}

func executeUnlinked(s *scene) error {
	return withCopy(s.own(), func(f *os.File) error {
		if err := os.Remove(f.Name()); err != nil {
			return err
		}
		return executeFD(f.Fd())
	})
}

func executeScript(s *scene, interpreter string) error {
	path := filepath.Join(s.own(), "script")
	if err := os.WriteFile(path, fmt.Appendf(nil, "#!%s\n", interpreter), 0o755); err != nil {
		return err
	}
	defer os.Remove(path)
	return start(path)
}

// executeMemory executes a program that is in no file system.
func executeMemory(flags int, byName bool) error {
	fd, err := unix.MemfdCreate("program", flags)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	program, err := os.ReadFile(notListed())
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, bytes.NewReader(program)); err != nil {
		return err
	}
	if !byName {
		return executeFD(f.Fd())
	}
	argv := &[2]uintptr{text("true"), 0}
	return inChild(raw(unix.SYS_EXECVE, text(descriptorPath(f)), address(argv), address(new(uintptr))))
}

func unsealMemory(*scene) error {
	fd, err := unix.MemfdCreate("program", unix.MFD_NOEXEC_SEAL)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fchmod(fd, 0o777)
}

// executeLoaded has the program loader, which has to be executable for every program, map a program.
func executeLoaded(path string) error {
	program, err := elf.Open(notListed())
	if err != nil {
		return err
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			name, err := io.ReadAll(p.Open())
			if err != nil {
				return err
			}
			return start(string(bytes.TrimRight(name, "\x00")), path)
		}
	}
	return errors.New("the program has no loader")
}

func mapCode(f *os.File) error {
	code, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	return unix.Munmap(code)
}

func olderThan(version string) func(*scene) string {
	return always("the kernel is older than " + version)
}
