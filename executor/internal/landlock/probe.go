package landlock

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Why there is no Landlock at all.
var (
	ErrNotBuilt = errors.New("landlock: the kernel is built without it")                            // or a filter around this process hides the call
	ErrDisabled = errors.New("landlock: the kernel has it, but the boot option lsm= leaves it out") // see /sys/kernel/security/lsm
)

// Support says what the kernel can restrict. Every field but ABI comes from the kernel accepting it, not from the number.
type Support struct {
	ABI int // the version that the kernel reports, 0 for none

	Filesystem bool // the rights of ABI 1: to read, write, execute, make and remove files
	Refer      bool // to rename and link between directories can be granted; without, it is always refused (ABI 2)
	Truncate   bool // to truncate is a right; without, it is always possible (ABI 3)
	TCP        bool // to bind and connect TCP sockets (ABI 4)
	IoctlDev   bool // ioctl on devices is a right; without, it is always possible (ABI 5)
	Abstract   bool // to connect to abstract Unix sockets of processes outside (ABI 6)
	Signal     bool // to signal processes outside (ABI 6)
	UnixPath   bool // to connect to Unix sockets in the filesystem (ABI 9)
	UDP        bool // to bind and to send from UDP sockets (ABI 10)

	handled unix.LandlockRulesetAttr // all of the above
}

// Probe asks the kernel what it can restrict. Where there is no Landlock the error is [ErrNotBuilt] or [ErrDisabled]. With an error the Support is zero.
func Probe() (Support, error) {
	abi, err := abiVersion()
	switch {
	case errors.Is(err, unix.ENOSYS):
		return Support{}, ErrNotBuilt
	case errors.Is(err, unix.EOPNOTSUPP):
		return Support{}, ErrDisabled
	case err != nil:
		return Support{}, fmt.Errorf("landlock: version: %w", err)
	}
	s := Support{ABI: abi}
	for _, p := range []struct {
		part unix.LandlockRulesetAttr
		has  *bool
	}{
		{unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_REFER - 1}, &s.Filesystem}, // the rights of ABI 1 are the bits below
		{unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_REFER}, &s.Refer},
		{unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_TRUNCATE}, &s.Truncate},
		{unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV}, &s.IoctlDev},
		{unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX}, &s.UnixPath},
		{unix.LandlockRulesetAttr{Handled_access_net: accessTCP}, &s.TCP},
		{unix.LandlockRulesetAttr{Handled_access_net: unix.LANDLOCK_ACCESS_NET_BIND_UDP | unix.LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP}, &s.UDP},
		{unix.LandlockRulesetAttr{Scoped: unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET}, &s.Abstract},
		{unix.LandlockRulesetAttr{Scoped: unix.LANDLOCK_SCOPE_SIGNAL}, &s.Signal},
	} {
		fd, err := createRuleset(&p.part)
		switch {
		case err == nil:
			unix.Close(fd)
			*p.has = true
			s.handled.Handled_access_fs |= p.part.Handled_access_fs
			s.handled.Handled_access_net |= p.part.Handled_access_net
			s.handled.Scoped |= p.part.Scoped
		case !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.E2BIG): // an unknown right; an attribute longer than the kernel's
			return Support{}, fmt.Errorf("landlock: %w", err)
		}
	}
	if !s.Filesystem {
		return Support{}, fmt.Errorf("landlock: ABI %d refuses the rights of ABI 1", abi)
	}
	return s, nil
}

const accessTCP = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP

// Access returns the kernel's bits for the rights on a directory, as far as the kernel has them: what landlock_add_rule(2) takes for a
// directory that only the restricted process can open, in a ruleset made by [Template.Ruleset].
func (s Support) Access(r Rights) uint64 {
	return r.access() & s.handled.Handled_access_fs
}
