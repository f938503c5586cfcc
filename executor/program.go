package executor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// What the kernel looks at of a script's first line (BINPRM_BUF_SIZE), in bytes, and how many interpreters it follows (exec_binprm in fs/exec.c).
const (
	shebangSize  = 256
	shebangDepth = 4
)

// executable is a program as it is given to execve(2): for a script its interpreter, with the argument vector that the kernel would have made. A
// script cannot be executed by a descriptor that execve closes, and a path could mean another interpreter by then.
type executable struct {
	file  *os.File   // what is executed, O_PATH
	argv  []string   // of it
	reads []*os.File // scripts on the way to it, which their interpreters open by path
}

// close closes what was opened. It may be called on a value that was only half made.
func (e *executable) close() {
	if e.file != nil {
		e.file.Close()
	}
	for _, f := range e.reads {
		f.Close()
	}
}

// resolve opens the job's program, checks that it is the file that was analyzed, and follows a script to its interpreter.
func (j *Job) resolve() (executable, error) {
	e := executable{argv: j.Argv}
	file, err := openExact(j.Program.Path, 0)
	if err != nil {
		return e, err
	}
	e.file = file
	if err := j.Program.verify(file); err != nil {
		return e, err
	}
	if err := e.follow(); err != nil {
		return e, err
	}
	return e, nil
}

// follow replaces a script by its interpreter until that is none.
func (e *executable) follow() error {
	for depth := 0; ; depth++ {
		name, arg, err := shebang(e.file)
		if err != nil || name == "" {
			return err
		}
		if depth == shebangDepth {
			return fmt.Errorf("%s: %w", e.file.Name(), ErrInterpreters)
		}
		interpreter, err := openProgram(name)
		if err != nil {
			return fmt.Errorf("%s: its interpreter: %w", e.file.Name(), err)
		}
		argv := []string{name}
		if arg != "" {
			argv = append(argv, arg)
		}
		argv = append(argv, e.file.Name())
		if len(e.argv) > 0 {
			argv = append(argv, e.argv[1:]...)
		}
		e.reads = append(e.reads, e.file)
		e.file, e.argv = interpreter, argv
	}
}

// verify fails unless the opened file is the executable regular file that was analyzed.
func (p Program) verify(f *os.File) error {
	st, err := statExecutable(f)
	switch {
	case st.Ino != 0 && (uint64(st.Dev) != p.Dev || st.Ino != p.Ino):
		return fmt.Errorf("%s: %w", p.Path, ErrReplaced)
	case err != nil:
		return err
	}
	return nil
}

// openProgram opens an executable regular file that a path, absolute and with or without symbolic links, leads to. The file's name is the path
// without links.
func openProgram(path string) (*os.File, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%q: %w", path, ErrRelative)
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := statExecutable(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func statExecutable(f *os.File) (unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return st, os.NewSyscallError("fstat", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0 {
		return st, fmt.Errorf("%s: %w", f.Name(), ErrNotExecutable)
	}
	return st, nil
}

// shebang returns the interpreter that the first line of an opened regular file names, and its one argument; "" for none. A file that cannot be read
// can still be executed, and is then no script: its interpreter could not read it either.
func shebang(f *os.File) (interpreter, arg string, err error) {
	before, certain := versionOf(int(f.Fd())) // before it is read, so that a change in between is not missed
	if certain && noScripts.has(before) {
		return "", "", nil
	}
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(int(f.Fd())), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if errors.Is(err, syscall.EACCES) {
		return "", "", nil
	}
	if err != nil {
		return "", "", &os.PathError{Op: "open", Path: f.Name(), Err: err}
	}
	defer unix.Close(fd)
	var head [shebangSize]byte
	n, err := unix.Pread(fd, head[:], 0)
	if err != nil {
		return "", "", &os.PathError{Op: "read", Path: f.Name(), Err: err}
	}
	interpreter, arg, err = parseShebang(head[:n])
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", f.Name(), err)
	}
	if certain && interpreter == "" {
		noScripts.add(before)
	}
	return interpreter, arg, nil
}

// parseShebang reads "#! interpreter [argument]" as load_script in fs/binfmt_script.c does: blanks are spaces and tabs, the argument is the rest of
// the line without blanks around it. A line that is longer than what the kernel reads may lose the end of its argument, but never of its interpreter.
func parseShebang(head []byte) (interpreter, arg string, err error) {
	line, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return "", "", nil
	}
	line, _, ended := bytes.Cut(line, []byte("\n"))
	if before, _, nul := bytes.Cut(line, []byte{0}); nul {
		line, ended = before, true
	}
	ended = ended || len(head) < shebangSize
	text := strings.Trim(string(line), " \t")
	at := strings.IndexAny(text, " \t")
	switch {
	case text == "":
		return "", "", ErrFormat
	case at >= 0:
		return text[:at], strings.TrimLeft(text[at:], " \t"), nil
	case !ended && strings.TrimRight(string(line), " \t") == string(line):
		return "", "", ErrFormat // the name may go on
	}
	return text, "", nil
}
