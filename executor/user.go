package executor

import (
	"fmt"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// identity is the user that commands run as.
type identity struct {
	uid, gid uint32
	groups   []uint32
	// switches is true if the child has to change its credentials to become this user.
	switches bool
}

// identityOf returns the identity of the named user, Config.User if the name is empty, the gateway's own if that is empty too.
// Found users are cached for the life of the Runner, so that a job's rights do not change with an edit of /etc/group half way.
func (r *Runner) identityOf(name string) (identity, error) {
	if name == "" {
		name = r.config.User
	}
	if name == "" {
		return identity{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}, nil
	}
	r.mu.Lock()
	id, ok := r.users[name]
	r.mu.Unlock()
	if !ok {
		var err error
		if id, err = lookUp(name); err != nil {
			return identity{}, err
		}
		r.mu.Lock()
		r.users[name] = id
		r.mu.Unlock()
	}
	if r.maySwitch {
		id.switches = true
		return id, nil
	}
	if id.uid == uint32(os.Geteuid()) && id.gid == uint32(os.Getegid()) {
		return id, nil // it is this user already
	}
	return identity{}, fmt.Errorf("cannot run as %q: %w", name, ErrMayNotSwitch)
}

// lookUp reads the user database.
func lookUp(name string) (identity, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return identity{}, err
	}
	names, err := u.GroupIds()
	if err != nil {
		return identity{}, fmt.Errorf("groups of %q: %w", name, err)
	}
	ids := make([]uint32, 0, len(names)+2)
	for _, s := range append([]string{u.Uid, u.Gid}, names...) {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil || n == 1<<32-1 { // -1 means "leave unchanged" to the set*id calls
			return identity{}, fmt.Errorf("user %q has the malformed ID %q", name, s)
		}
		ids = append(ids, uint32(n))
	}
	return identity{uid: ids[0], gid: ids[1], groups: ids[2:]}, nil
}

// credential is what the child changes to, nil for nothing.
func (id identity) credential() *syscall.Credential {
	if !id.switches {
		return nil
	}
	return &syscall.Credential{Uid: id.uid, Gid: id.gid, Groups: id.groups}
}

// maySwitchUsers asks for the capabilities themselves: root in a container may lack them, and a service without root may have them.
func maySwitchUsers() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	const need = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	return data[0].Effective&need == need
}

// actAs runs f on a thread of its own with the file system identity (setfsuid(2)) of another user. A gateway that is not root but may switch
// users has no other way to make a directory that belongs to that user, to empty it, and to read the environment of that user's processes:
// CAP_SETUID, CAP_SETGID and CAP_KILL are all it is granted.
func actAs(uid, gid uint32, f func() error) error {
	return onOwnThread(func() error {
		if err := setFS(uid, gid); err != nil {
			return err
		}
		return f()
	})
}

// onOwnThread runs f on a thread that is never used for anything else, so that f may change what belongs to a thread: a goroutine that ends while locked
// takes its thread with it. The first thread of the process would stay, and with it what /proc/self tells of the process: it is passed over.
func onOwnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			done <- onOwnThread(f) // on another one, since this one is held
			runtime.UnlockOSThread()
			return
		}
		done <- f()
	}()
	return <-done
}

// setFS changes group before user, because a root thread loses its rights with the user. The calls report no errors: the result is read back.
func setFS(uid, gid uint32) error {
	const none = -1 // an invalid ID changes nothing and returns the present one
	if _, err := unix.SetfsgidRetGid(int(gid)); err != nil {
		return err
	}
	if _, err := unix.SetfsuidRetUid(int(uid)); err != nil {
		return err
	}
	g, _ := unix.SetfsgidRetGid(none)
	u, _ := unix.SetfsuidRetUid(none)
	if uint32(g) != gid || uint32(u) != uid {
		return fmt.Errorf("acting as user %d, group %d: %w", uid, gid, ErrMayNotSwitch)
	}
	return nil
}
