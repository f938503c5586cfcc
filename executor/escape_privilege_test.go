package executor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// Privileges: those of programs that give them, and those that root has by being root.

var privilegeTries = []try{
	{name: "become another user by a set-user-ID program", do: func(s *scene) error { return gainBy(s, programSetuid) }, excuse: alreadyRoot},
	{name: "gain capabilities by a program that has them", do: func(s *scene) error { return gainBy(s, programCapable) }, excuse: alreadyRoot},
	{name: "keep or regain capabilities by executing a program", do: func(s *scene) error { return gainBy(s, programPlain) }, excuse: needs(unix.CAP_SETUID)},
	{name: "have a capability left", do: func(s *scene) error { return someCapability("CapPrm") }, excuse: needs(unix.CAP_SETUID)},
	{name: "have a capability to inherit", do: func(s *scene) error { return someCapability("CapAmb") }, excuse: always("the gateway passes none on")},
	{name: "raise a capability", do: raiseCapability, excuse: needs(unix.CAP_SETUID)},
	{name: "become root", do: func(s *scene) error { return inChild(raw(unix.SYS_SETRESUID, 0, 0, 0)) }, excuse: needs(unix.CAP_SETUID),
		left: residue{why: "it is root", in: []Profile{ProfileConfined, ProfileIsolated}, as: []string{whoRoot}}},
	{name: "become another user", do: func(s *scene) error { return inChild(raw(unix.SYS_SETRESUID, foreignUID, foreignUID, foreignUID)) }, excuse: needs(unix.CAP_SETUID)},
	{name: "join a group", do: func(s *scene) error { return inChild(raw(unix.SYS_SETGROUPS, 1, address(new(uint32)))) }, excuse: needs(unix.CAP_SETGID)},
	{name: "give a file of its own capabilities", do: func(s *scene) error { return withOwnFile(s, giveCapabilities) }, excuse: needs(unix.CAP_SETFCAP)},
	{name: "give a file of its own to another user", do: func(s *scene) error {
		return withOwnFile(s, func(_ *scene, own string) error { return os.Chown(own, foreignUID, -1) })
	}, excuse: needs(unix.CAP_CHOWN)},
	{name: "switch no_new_privs off", do: func(*scene) error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) }, excuse: always("no process can")},
	{name: "read a file that belongs to somebody else", do: func(s *scene) error { return openAndClose(s.in(fileForeign), os.O_RDONLY) }, excuse: needs(unix.CAP_DAC_OVERRIDE)},
	{name: "raise its own priority", do: func(*scene) error { return inChild(raw(unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, ^uintptr(4))) }, excuse: needs(unix.CAP_SYS_NICE)},
	{name: "raise the limit of open files", do: func(*scene) error { return raise(unix.RLIMIT_NOFILE) }, excuse: needs(unix.CAP_SYS_RESOURCE)},
	{name: "raise the limit of core dumps", do: func(*scene) error { return raise(unix.RLIMIT_CORE) }, excuse: needs(unix.CAP_SYS_RESOURCE)},
	{name: "have the host's handler of crashes started, by another limit of core dumps than 1", do: lowerCore},
	{name: "find the gateway's secret in its environment", do: searchEnvironment, excuse: always("no profile passes the gateway's environment on")},
	{name: "find a descriptor that was left open", do: searchDescriptors, excuse: always("no profile passes a descriptor on")},
}

// alreadyRoot is the excuse of who has everything that there is to be gained, and where nothing is.
func alreadyRoot(s *scene) string {
	if s.Who == whoRoot {
		return "it is root already"
	}
	var fs unix.Statfs_t
	info, err := os.Stat(s.in(programSetuid))
	switch {
	case err != nil || info.Mode()&os.ModeSetuid == 0:
		return "only root can make such a program"
	case unix.Statfs(s.Top, &fs) == nil && fs.Flags&unix.ST_NOSUID != 0:
		return "the file system is mounted with nosuid"
	}
	if _, err := unix.Getxattr(s.in(programCapable), "security.capability", nil); err != nil {
		return "no file with capabilities can be made"
	}
	return ""
}

// gainBy has a program show who it is, and looks for another user or a capability.
func gainBy(s *scene, name string) error {
	cmd := exec.Cmd{Path: s.in(name), Args: []string{"cat", "/proc/self/status"}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	users, caps := strings.Fields(lineOf(out, "Uid")), lineOf(out, "CapEff")
	if len(users) != 4 || caps == "" {
		return fmt.Errorf("it shows %q", out)
	}
	if users[0] == users[1] && strings.Trim(caps, "0") == "" {
		return errors.New("no gain")
	}
	s.say("user %s, capabilities %s", users[1], caps)
	return nil
}

func someCapability(set string) error {
	caps, err := statusOf(os.Getpid(), set)
	if err == nil && strings.Trim(caps, "0") == "" {
		err = errors.New("none")
	}
	return err
}

func raiseCapability(*scene) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := &[2]unix.CapUserData{{Effective: 1 << unix.CAP_SETUID, Permitted: 1 << unix.CAP_SETUID}}
	return inChild(raw(unix.SYS_CAPSET, address(&header), address(data)))
}

// chownCapability is a file's capability CAP_CHOWN, permitted and effective: struct vfs_cap_data, version 2.
var chownCapability = []byte("\x01\x00\x00\x02\x01\x00\x00\x00" + strings.Repeat("\x00", 12))

func giveCapabilities(_ *scene, own string) error {
	return unix.Setxattr(own, "security.capability", chownCapability, 0)
}

// raise raises a hard limit.
func raise(resource int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(resource, &limit); err != nil {
		return err
	}
	limit.Max++
	limit.Cur = limit.Max
	if err := unix.Prlimit(0, resource, &limit, nil); err != nil {
		return err
	}
	return hasLimit(resource, limit)
}

// lowerCore sets a limit with which a crash would start the handler that kernel.core_pattern names, as root and in no sandbox.
func lowerCore(*scene) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit.Cur != 1 {
		return err
	}
	if err := unix.Prlimit(0, unix.RLIMIT_CORE, &unix.Rlimit{}, nil); err != nil {
		return err
	}
	return hasLimit(unix.RLIMIT_CORE, unix.Rlimit{})
}

// hasLimit looks whether a limit was set: a filter may have said so.
func hasLimit(resource int, limit unix.Rlimit) error {
	var now unix.Rlimit
	if err := unix.Getrlimit(resource, &now); err != nil || now == limit {
		return err
	}
	return errors.New("it is as before")
}

func searchEnvironment(*scene) error {
	env, err := os.ReadFile("/proc/self/environ")
	if err == nil && !strings.Contains(string(env), gatewaySecretKey) {
		err = errors.New("it is not there")
	}
	return err
}

// searchDescriptors looks for descriptors but the three, and those that Go's runtime makes.
func searchDescriptors(s *scene) error {
	for fd := 3; fd < 1024; fd++ {
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err == nil && !strings.HasPrefix(name, "anon_inode:") {
			s.say("%s", name)
			return nil
		}
	}
	return errors.New("there is none")
}
