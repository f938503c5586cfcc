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
	Without []string // layers of the sandbox that were left out
	Only    []string // tries; empty for all

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

	Socket               string // a listening Unix socket, at a path like any other
	Hidden               string // the same, in /dev/shm, which isolated jobs do not see
	Datagram             string // a Unix datagram socket
	Abstract             string // a listening abstract Unix socket
	Letters              string // an abstract Unix datagram socket
	Port                 int    // on 127.0.0.1
	Segment              int    // shared memory (System V)
	Messages, Semaphores int
	Terminal             string // the slave of a pseudo-terminal
	Fifo                 string // a pipe in Readable that nobody writes to

	got string // what a try says of its success
}

// switches tells whether the command runs as another user than the gateway.
func (s *scene) switches() bool { return s.Who == whoUser || s.Who == whoService }

// free tells whether nothing, or not all of the profile, is to prevent a try, which therefore must do no harm if it gets through.
func (s *scene) free() bool { return s.Profile == ProfileHost || len(s.Without) > 0 }

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
	for _, dir := range []string{
		s.State, s.in("etc"), s.in("runtime"), s.in("runtime/etc"), s.in("runtime/bin"), s.Outside, s.in("outside/directory"), s.Readable, s.Writable,
		s.in("turning"), s.in("turning/one"), s.in("turning/two"), s.in("later"),
	} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			return err
		}
	}
	for _, file := range []string{
		s.Secret, s.Journal, s.Config, s.Installed, s.in("runtime/etc/other"), s.in("runtime/bin/other"), s.in("etc/other"), s.in("outside/file"),
		s.in("outside/directory/file"), s.in("readable/file"), s.in("turning/one/key"), s.in("turning/two/key"),
	} {
		if err := os.WriteFile(file, []byte(fileText), 0o666); err != nil {
			return err
		}
	}
	if err := os.Chmod(s.Secret, 0o777); err != nil {
		return err
	}
	if err := os.Symlink("one", s.in("turning/now")); err != nil {
		return err
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

// protected is what the gateway's configuration keeps from every job.
func (s *scene) protected() []string {
	return []string{s.State, s.Config, s.Installed, s.in("not-there"), s.in("turning/now/key"), s.in("later/key")}
}
