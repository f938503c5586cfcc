package spawn

import (
	"os"

	"golang.org/x/sys/unix"
)

// Spec is a child to be made. It is complete and final: whatever has to be opened, resolved or decided was before. A nil field, and a nil
// *os.File, means "none". The caller keeps the files and closes them; they are put into blocking mode, as commands expect of their streams.
type Spec struct {
	// Executable is a file in a format the kernel executes by itself, never a script. A descriptor opened with O_PATH is enough.
	Executable *os.File
	// Argv and Env are passed on unchanged. Argv has at least argv[0].
	Argv, Env []string
	// Dir becomes the working directory. A descriptor opened with O_PATH is enough. With Namespaces.Mount see Namespaces.Workdir.
	Dir *os.File
	// Stdio are descriptors 0, 1 and 2. All three have to be there.
	Stdio [3]*os.File
	// Rlimits are set in this order. The child's soft limit of open files is 1024, or its hard limit where that is lower, unless there is an
	// entry here: Go's runtime raises that of the gateway, and select(2) cannot handle more.
	Rlimits []Rlimit
	// Identity is who the child becomes. nil keeps the gateway's users and groups.
	Identity *Identity
	// DropCapabilities empties the bounding set (before the change of user, which takes the right to do so) and the permitted, effective,
	// inheritable and ambient sets. A gateway without CAP_SETPCAP cannot empty the bounding set; that is let pass if NoNewPrivs is set, under
	// which nothing can be gained through that set. The ambient set is emptied always.
	DropCapabilities bool
	NoNewPrivs       bool
	// Landlock is a ruleset, and Filter a seccomp program. Both need NoNewPrivs, or a child that still has CAP_SYS_ADMIN.
	Landlock *os.File
	Filter   []unix.SockFilter
	// Cgroup is a directory of cgroup v2 in which the child is born. Tasks are files called "tasks" of cgroup v1, opened for writing.
	Cgroup *os.File
	Tasks  []*os.File
	// Namespaces are those that the child does not share with the gateway.
	Namespaces *Namespaces
}

// Rlimit is one resource limit, see setrlimit(2).
type Rlimit struct {
	Resource   int
	Soft, Hard uint64
}

// Identity is the real, effective and saved user and group, and the complete list of supplementary groups.
type Identity struct {
	UID, GID uint32
	Groups   []uint32
}

// Namespaces says which namespaces are new, and what the mount namespace looks like.
type Namespaces struct {
	PID, Mount, IPC bool
	// Network is a network namespace to join. Joining takes CAP_SYS_ADMIN in the user namespace that owns it, which a child in a user
	// namespace of its own has not: NewNetwork gives it a fresh, empty one. At most one of the two.
	Network    *os.File
	NewNetwork bool
	// User makes a user namespace, with which a gateway without privileges can have the others.
	User *UserMap
	// Hidden are absolute directories that are covered by an empty, read-only tmpfs each. One that does not exist is skipped. Needs Mount.
	Hidden []string
	// Proc mounts a fresh /proc for the new pid namespace. Needs Mount and PID.
	Proc bool
	// ProcRights, if not 0, are Landlock rights on the fresh /proc, which the child adds to Spec.Landlock as a rule: a rule on the old /proc does
	// not cover the new one. The ruleset then has to be this child's own.
	ProcRights uint64
	// Workdir is the absolute path of Spec.Dir, which is opened again, without following any symbolic link, below the new mounts, and has to be the
	// same directory: from the old descriptor, ".." leads out of the mount namespace. Needed with Mount.
	Workdir string
}

// UserMap names the one user and the one group that exist in the user namespace, which are the gateway's own and keep their numbers.
type UserMap struct {
	UID, GID uint32
}
