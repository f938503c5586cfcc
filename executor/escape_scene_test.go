package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Environment variables of the gateway and of commands.
const (
	sceneKey         = "ESCAPE_SCENE"
	gatewaySecretKey = "ESCAPE_GATEWAY_SECRET"
	gatewaySecret    = "the-secret-in-the-gateway's-environment"
)

// What lies in the scene's directory. The files of the gateway are open to everybody, so that only the sandbox keeps commands from them.
const (
	programAttacker = "attacker" // this program
	programPlain    = "plain"    // cat
	programSetuid   = "setuid"   // cat, set-user-ID root
	programCapable  = "capable"  // cat, with file capabilities
	fileForeign     = "foreign"  // a file that belongs to somebody else
	fileText        = "a line\n"
)

// scene is what a command is told of where it is. Paths are absolute.
type scene struct {
	Battery string
	Profile Profile
	Way     Way
	Who     string

	Top       string // the directory of everything below
	State     string // protected, with the files Secret and Journal
	Secret    string
	Journal   string
	Config    string // protected, in a directory with other files
	Installed string // protected, in a tree of the runtime set
	Outside   string // in no list; commands start there. Holds "file", "directory" and "socket"
	Readable  string // a read root with "file"
	Writable  string // a read and write root
	Work      string // the work root

	Gateway   process
	Memory    uintptr // address of fileText in the gateway
	File      int     // descriptor of Secret in the gateway
	Bystander process // of the command's user, in no sandbox
	Neighbour string  // private directory of another job of the same user, with "letter"
	Beside    process // of that job

	Socket   string // a listening Unix socket, at a path like any other
	Hidden   string // the same, in /dev/shm, which isolated jobs do not see
	Datagram string // a Unix datagram socket
	Abstract string // a listening abstract Unix socket
	Letters  string // an abstract Unix datagram socket
	Port     int    // on 127.0.0.1
	Segment  int    // shared memory (System V)
	IPC      string // the gateway's IPC namespace
	Terminal string // the slave of a pseudo-terminal
	Fifo     string // a pipe in Readable that nobody writes to

	got string // what a try says of its success
}

// switches tells whether the command runs as another user than the gateway.
func (s *scene) switches() bool { return s.Who == whoUser || s.Who == whoService }

// say notes what a try has got.
func (s *scene) say(format string, args ...any) { s.got = fmt.Sprintf(format, args...) }

// own is a directory in which the command may make files.
func (s *scene) own() string {
	if dir := os.Getenv("TMPDIR"); dir != "" {
		return dir
	}
	return s.Writable
}

// process is one that commands are to leave alone.
type process struct {
	PID     int
	Started uint64
}

// number returns the pid, unless in this pid namespace it is another process's. One that is not to be seen is tried all the same.
func (p process) number() (int, error) {
	started, err := startOf(p.PID)
	if err == nil && started != p.Started {
		return 0, unix.ESRCH
	}
	return p.PID, nil
}

// dir is its directory in /proc.
func (p process) dir() string { return procDir(p.PID) }

// startOf tells processes of one number apart.
func startOf(pid int) (uint64, error) {
	const fieldStart = 19 // counted from the state, see proc_pid_stat(5)
	stat, err := os.ReadFile(procDir(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	return strconv.ParseUint(fields[fieldStart], 10, 64)
}

func known(pid int) (process, error) {
	started, err := startOf(pid)
	return process{pid, started}, err
}

// gatewayMemory is what commands look for in the gateway's memory.
var gatewayMemory = []byte(fileText)

// set puts everything in place. It is undone by the end of the process, but for what close removes.
func (s *scene) set() error {
	unix.Umask(0)
	s.State, s.Outside, s.Readable, s.Writable = s.in("state"), s.in("outside"), s.in("readable"), s.in("writable")
	s.Secret, s.Journal, s.Config = s.in("state/secret"), s.in("state/journal"), s.in("etc/sidegate.yaml")
	s.Installed = s.in("runtime/etc/secret")
	s.Socket, s.Datagram, s.Fifo = s.in("outside/socket"), s.in("outside/datagram"), s.in("readable/fifo")
	for _, dir := range []string{s.State, s.in("etc"), s.in("runtime"), s.in("runtime/etc"), s.in("runtime/bin"), s.Outside, s.in("outside/directory"), s.Readable, s.Writable} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			return err
		}
	}
	for _, file := range []string{s.Secret, s.Journal, s.Config, s.Installed, s.in("runtime/etc/other"), s.in("runtime/bin/other"), s.in("etc/other"), s.in("outside/file"), s.in("outside/directory/file"), s.in("readable/file")} {
		if err := os.WriteFile(file, []byte(fileText), 0o666); err != nil {
			return err
		}
	}
	if err := unix.Mkfifo(s.Fifo, 0o666); err != nil {
		return err
	}
	s.Memory = uintptr(unsafe.Pointer(&gatewayMemory[0]))
	var err error
	if s.Gateway, err = known(os.Getpid()); err != nil {
		return err
	}
	if s.File, err = unix.Open(s.Secret, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	return errors.Join(s.listen(), s.openTerminal(), s.share())
}

func (s *scene) in(name string) string { return filepath.Join(s.Top, name) }

// listen opens the gateway's sockets.
func (s *scene) listen() error {
	var err error
	s.Abstract = fmt.Sprintf("@executor-test-%d", s.Gateway.PID)
	s.Letters = s.Abstract + "-letters"
	if s.Port, err = listenTCP(); err != nil {
		return err
	}
	for _, l := range []struct {
		kind int
		name string
	}{
		{unix.SOCK_STREAM, s.Socket}, {unix.SOCK_STREAM, s.Hidden}, {unix.SOCK_STREAM, s.Abstract}, {unix.SOCK_DGRAM, s.Datagram}, {unix.SOCK_DGRAM, s.Letters},
	} {
		fd, err := unix.Socket(unix.AF_UNIX, l.kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrUnix{Name: l.name})
		}
		if err == nil && l.kind == unix.SOCK_STREAM {
			err = unix.Listen(fd, 128)
		}
		if err != nil {
			return fmt.Errorf("socket %s: %w", l.name, err)
		}
	}
	return nil
}

// listenTCP listens on the loopback interface, with a port that nobody else has.
func listenTCP() (port int, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 128)); err != nil {
		return 0, err
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return address.(*unix.SockaddrInet4).Port, nil
}

// openTerminal makes a pseudo-terminal, if the host has any.
func (s *scene) openTerminal() error {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // the control then says so
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	s.Terminal = "/dev/pts/" + strconv.Itoa(n)
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	return os.Chmod(s.Terminal, 0o666)
}

// share makes shared memory and a message queue.
func (s *scene) share() error {
	var err error
	if s.Segment, err = unix.SysvShmGet(unix.IPC_PRIVATE, os.Getpagesize(), unix.IPC_CREAT|0o666); err != nil {
		return err
	}
	if _, err = unix.SysvShmAttach(s.Segment, 0, 0); err != nil {
		return err
	}
	// It lives as long as this process, and can be attached until then.
	if _, err = unix.SysvShmCtl(s.Segment, unix.IPC_RMID, nil); err != nil {
		return err
	}
	if s.IPC, err = os.Readlink("/proc/self/ns/ipc"); err != nil {
		return err
	}
	_, err = invoke(unix.SYS_MQ_OPEN, text(s.queue()), unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o666, 0)
	return through(err, unix.ENOSYS)
}

// close removes what would outlive the gateway.
func (s *scene) close() error {
	_, err := invoke(unix.SYS_MQ_UNLINK, text(s.queue()))
	return through(err, unix.ENOSYS)
}

// protected is what the gateway's configuration keeps from every job.
func (s *scene) protected() []string {
	return []string{s.State, s.Config, s.Installed, s.in("not-there")}
}
