package executor

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// maxOutputCeiling bounds Job.MaxOutput, in bytes: what is kept of a stream takes room on the disk.
const maxOutputCeiling = 1 << 30

// maxIDLength bounds Job.ID, in bytes.
const maxIDLength = 128

// Job is everything needed to run one command. It is complete and final: the executor fills in no defaults but the user, and widens nothing.
type Job struct {
	// ID marks every process of the job. 1 to 128 letters, digits, '-', '_' or '.'; unique among the jobs of this host.
	ID string
	// Argv is the argument vector, argv[0] included. It is passed on unchanged.
	Argv []string
	// Program is the file that is executed, as it was when the command was analyzed.
	Program Program
	// Covers are programs that the job may execute besides Program, where Filesystem lists what it may: those of the commands that were decided on.
	// They are checked like Program.
	Covers []Program
	// Workdir is an absolute, clean path free of symbolic links. "" asks for a private empty directory that is also HOME and TMPDIR and is
	// removed when the job has ended.
	Workdir string
	// Stdin is what the command reads. It must not change afterwards; an empty one is the end of file at once.
	Stdin []byte
	// Env is the complete environment as KEY=value, each key once. PWD and SIDEGATE_JOB_ID, and HOME and TMPDIR with a private directory,
	// are set by the executor and replace entries of the same key.
	Env []string
	// Profile is the demanded sandbox profile.
	Profile Profile
	// BestEffort runs the job although its profile cannot be enforced; Result.Missing then says what was not.
	BestEffort bool
	// Timeout is how long the command may run before it is killed. It must be positive.
	Timeout time.Duration
	// MaxOutput is how many bytes of each stream are kept, 1 to 1 GiB, of which up to 64 KiB are in memory and more is in a file. The rest is read
	// and dropped, which the command does not notice.
	MaxOutput int64
	// User is the name of the user the command runs as. "" means Config.User, and if that is "" too, the gateway's own user.
	User string
	// Limits, Filesystem and Network are obligations of the decision. See the package documentation for what is enforced.
	Limits     Limits
	Filesystem *Filesystem // nil demands nothing
	Network    Network
}

// Program identifies an executable file: Path is absolute and free of symbolic links, Dev and Ino are what stat(2) said of it at analysis.
type Program struct {
	Path string
	Dev  uint64
	Ino  uint64
}

// Limits are upper bounds on what a job may use. Zero means none was demanded.
type Limits struct {
	Memory     int64 // bytes
	PIDs       int64 // processes and threads
	CPUSeconds int64
	OpenFiles  int64
	FileSize   int64 // bytes
}

// Filesystem lists the path roots that a job may read and write besides the runtime set; empty lists demand that it may use nothing besides.
// Execute lists what it may start besides Job.Program and Job.Covers: roots, and names that are looked up in the PATH of Job.Env. What is not there is
// left out. nil, unlike an empty list, lets it start whatever the runtime set holds.
//
// A path of Read or Write that does not exist refuses the job. One of ReadIfPresent is left out, and named in Result.Missing.
type Filesystem struct {
	Read, Write, ReadIfPresent, Execute []string
}

// Network is how much of the network a job may use. The zero value demands nothing, as does NetworkFull.
type Network string

// The networks a decision can ask for.
const (
	NetworkNone    Network = "none"    // Unix-domain sockets only
	NetworkNetlink Network = "netlink" // and netlink
	NetworkFull    Network = "full"    // everything
)

// check refuses a job that is not complete. What needs the file system is checked later.
func (j *Job) check() error {
	return errors.Join(
		checkID(j.ID),
		checkArgv(j.Argv),
		j.Program.check(),
		checkWorkdir(j.Workdir),
		checkEnv(j.Env),
		j.checkBounds(),
	)
}

func (j *Job) checkBounds() error {
	switch j.Profile {
	case ProfileHost, ProfileConfined, ProfileIsolated:
	default:
		return fmt.Errorf("profile %q is unknown", j.Profile)
	}
	switch j.Network {
	case "", NetworkNone, NetworkNetlink, NetworkFull:
	default:
		return fmt.Errorf("network %q is unknown", j.Network)
	}
	if j.Timeout <= 0 {
		return fmt.Errorf("timeout %v is not positive", j.Timeout)
	}
	if j.MaxOutput < 1 || j.MaxOutput > maxOutputCeiling {
		return fmt.Errorf("max output %d is not between 1 and %d", j.MaxOutput, maxOutputCeiling)
	}
	l := j.Limits
	if min(l.Memory, l.PIDs, l.CPUSeconds, l.OpenFiles, l.FileSize) < 0 {
		return errors.New("a limit is negative")
	}
	return nil
}

func checkID(id string) error {
	if id == "" || len(id) > maxIDLength {
		return fmt.Errorf("job ID has %d bytes, not 1 to %d", len(id), maxIDLength)
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return fmt.Errorf("job ID %q has a character that is not a letter, digit, '-', '_' or '.'", id)
		}
	}
	return nil
}

func checkArgv(argv []string) error {
	if len(argv) == 0 {
		return errors.New("argv is empty")
	}
	for i, arg := range argv {
		if strings.IndexByte(arg, 0) >= 0 {
			return fmt.Errorf("argv[%d] holds a NUL byte", i)
		}
	}
	return nil
}

func (p Program) check() error {
	if p.Ino == 0 {
		// No file has inode 0, so this is a job that was never completed. A device number of 0 does occur.
		return errors.New("the program has no identity (inode 0)")
	}
	return checkPath("program", p.Path)
}

func checkWorkdir(dir string) error {
	if dir == "" {
		return nil
	}
	return checkPath("workdir", dir)
}

func checkPath(what, path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || strings.IndexByte(path, 0) >= 0 {
		return fmt.Errorf("%s path %q is not absolute and clean", what, path)
	}
	return nil
}

// checkEnv does not repeat values: they may be secrets.
func checkEnv(env []string) error {
	seen := make(map[string]struct{}, len(env))
	for i, entry := range env {
		key, _, ok := strings.Cut(entry, "=")
		if !ok || key == "" || strings.IndexByte(entry, 0) >= 0 {
			return fmt.Errorf("env[%d] is not KEY=value without NUL bytes", i)
		}
		if _, again := seen[key]; again {
			return fmt.Errorf("env key %q is given twice", key)
		}
		seen[key] = struct{}{}
	}
	return nil
}
