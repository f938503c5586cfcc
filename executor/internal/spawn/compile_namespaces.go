package spawn

import (
	"cmp"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const atCWD = ^uintptr(-unix.AT_FDCWD - 1) // AT_FDCWD as an argument of a raw call

// hiddenOptions make a tmpfs in which nothing can be made. Its root is the one inode.
const hiddenOptions = "size=4k,nr_inodes=1,mode=555"

// addNamespaces sets the flags of the clone, and what is done first in the new namespaces.
func (p *program) addNamespaces(s *Spec) error {
	n := s.Namespaces
	if n == nil {
		return cmp.Or(p.addTasks(s), p.addTable(s))
	}
	for _, flag := range []struct {
		wanted bool
		flag   uintptr
	}{
		{n.PID, unix.CLONE_NEWPID}, {n.Mount, unix.CLONE_NEWNS}, {n.IPC, unix.CLONE_NEWIPC}, {n.NewNetwork, unix.CLONE_NEWNET},
		{n.User != nil, unix.CLONE_NEWUSER},
	} {
		if flag.wanted {
			p.flags |= flag.flag
		}
	}
	for _, step := range []func(*Spec) error{p.addUserMap, p.addTasks, p.addNetwork, p.addTable, p.addMounts, p.addProc} {
		if err := step(s); err != nil {
			return err
		}
	}
	return nil
}

// addUserMap writes the maps of the user namespace from within: a process may map its own user and group there, once it has given up setgroups(2).
func (p *program) addUserMap(s *Spec) error {
	user := s.Namespaces.User
	if user == nil {
		return nil
	}
	for _, file := range []struct{ path, text string }{
		{"/proc/self/setgroups", "deny"},
		{"/proc/self/gid_map", fmt.Sprintf("%d %d 1\n", user.GID, user.GID)},
		{"/proc/self/uid_map", fmt.Sprintf("%d %d 1\n", user.UID, user.UID)},
	} {
		if err := p.addOpen(StepUserMap, file.path, unix.O_WRONLY, &p.opened); err != nil {
			return err
		}
		if err := p.addWrite(StepUserMap, 0, file.text); err != nil {
			return err
		}
		p.last().in = &p.opened
	}
	return nil
}

// addOpen opens a path into the given number, to be closed by execve(2).
func (p *program) addOpen(step Step, path string, flags uintptr, into *int32) error {
	at, err := p.text(step, path)
	if err != nil {
		return err
	}
	p.add(step, unix.SYS_OPENAT, atCWD, at, flags|unix.O_CLOEXEC, 0).out = into
	return nil
}

func (p *program) addNetwork(s *Spec) error {
	if s.Namespaces.Network == nil {
		return nil
	}
	fd, err := number(s.Namespaces.Network, StepNetwork)
	if err != nil {
		return err
	}
	p.add(StepNetwork, unix.SYS_SETNS, fd, unix.CLONE_NEWNET)
	return nil
}

// addMounts makes every mount private first, so that nothing that is mounted here appears outside.
func (p *program) addMounts(s *Spec) error {
	if !s.Namespaces.Mount {
		return nil
	}
	if err := p.addMount(StepMounts, "none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, path := range s.Namespaces.Hidden {
		const flags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
		if err := p.addMount(StepMounts, "none", path, "tmpfs", flags, hiddenOptions); err != nil {
			return err
		}
		p.last().pass = unix.ENOENT
	}
	return nil
}

func (p *program) addMount(step Step, source, target, kind string, flags uintptr, options string) error {
	var at [4]uintptr
	for i, s := range []string{source, target, kind, options} {
		var err error
		if at[i], err = p.text(step, s); err != nil {
			return err
		}
	}
	p.add(step, unix.SYS_MOUNT, at[0], at[1], at[2], flags, at[3])
	return nil
}

func (p *program) addProc(s *Spec) error {
	n := s.Namespaces
	if !n.Proc {
		return nil
	}
	if err := p.addMount(StepProc, "proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if n.ProcRights == 0 {
		return nil
	}
	ruleset, err := p.fd(s.Landlock, StepProc)
	if err != nil {
		return err
	}
	p.proc.Allowed_access = n.ProcRights
	if err := p.addOpen(StepProc, "/proc", unix.O_PATH|unix.O_DIRECTORY, &p.proc.Parent_fd); err != nil {
		return err
	}
	p.add(StepProc, unix.SYS_LANDLOCK_ADD_RULE, ruleset, unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&p.proc)), 0)
	return nil
}

// addDir enters the working directory. In a new mount namespace the descriptor belongs to the old one, and ".." would lead on through the old mounts: there the
// path is opened again, and must lead to the same directory.
func (p *program) addDir(s *Spec) error {
	if s.Dir == nil {
		return nil
	}
	dir, err := p.fd(s.Dir, StepDir)
	if err != nil {
		return err
	}
	if s.Namespaces == nil || !s.Namespaces.Mount {
		p.add(StepDir, unix.SYS_FCHDIR, dir)
		return nil
	}
	if err := unix.Statx(int(dir), "", unix.AT_EMPTY_PATH, unix.STATX_INO, &p.dir); err != nil {
		return &Error{StepDir, err}
	}
	path, err := p.text(StepDir, s.Namespaces.Workdir)
	if err != nil {
		return err
	}
	how := &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	p.add(StepDir, unix.SYS_OPENAT2, atCWD, path, address(p, how), unsafe.Sizeof(*how)).out = &p.opened
	p.add(StepDir, unix.SYS_STATX, 0, uintptr(unsafe.Pointer(&p.none)), unix.AT_EMPTY_PATH, unix.STATX_INO, uintptr(unsafe.Pointer(&p.now))).in = &p.opened
	p.add(StepDir, compareDir)
	p.add(StepDir, unix.SYS_FCHDIR, 0).in = &p.opened
	return nil
}
