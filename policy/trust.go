package policy

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrExposed means that somebody else than root and the gateway's own user
// could change a policy, and so decide what runs here.
var ErrExposed = errors.New("a policy is exposed")

// trust looks for whoever could change what is read: by writing to a file, or
// by exchanging one of the directories and links that lead to it. It asks of
// every directory from the root down, and so there is no moment in which what
// was looked at could be exchanged.
//
// Policies and the directories that hold them belong to root or to the
// gateway's user, and nobody else may write to them. Of the directories around
// those only that not everybody may write there: whoever else may, such as the
// user in whose home a gateway is tried, could put nothing in a policy's place
// but what root or the gateway's user made as well. A group that has its owner's number is that user's private one, as
// most distributions make them, and does not count. A directory around a
// policy may be open to everybody if it is sticky, like /tmp. Where a file
// system is mounted read-only the modes do not count: the directory of a
// mounted Kubernetes ConfigMap is open to everybody.
//
// Nil trusts everything.
type trust struct {
	uid  uint32          // the gateway's user
	seen map[string]bool // directories in order; true: also to hold policies
}

func newTrust() *trust {
	return &trust{uid: uint32(os.Geteuid()), seen: make(map[string]bool)}
}

// maxLinks is how many symbolic links may lead to a policy, as in the kernel.
const maxLinks = 40

// path checks every directory and link that lead to an absolute path, and what
// is there if it is a directory. A file is checked by file once it is open.
func (t *trust) path(path string) error {
	if t == nil {
		return nil
	}
	at, rest, links, shared := "/", segments(path), 0, false
	for {
		info, err := os.Lstat(at)
		switch {
		case err != nil:
			return err
		case info.Mode()&os.ModeSymlink != 0:
			if links++; links > maxLinks {
				return &os.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
			}
			// Where everybody may put something, the link may be anybody's.
			if shared {
				if err := t.owner(at, info); err != nil {
					return err
				}
			}
			target, err := os.Readlink(at)
			if err != nil {
				return err
			}
			rest = append(segments(target), rest...)
			at = filepath.Dir(at)
			if filepath.IsAbs(target) {
				at = "/"
			}
			continue
		case !info.IsDir():
			return nil
		default:
			if err := t.directory(at, info, len(rest) == 0); err != nil {
				return err
			}
			shared = t.shared(info)
		}
		if len(rest) == 0 {
			return nil
		}
		// at is free of links here, so its parent is the directory around it.
		at, rest = filepath.Join(at, rest[0]), rest[1:]
	}
}

func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}

// directory checks one that leads to policies, or holds them.
func (t *trust) directory(path string, info os.FileInfo, holds bool) error {
	if t == nil {
		return nil
	}
	if strict, ok := t.seen[path]; ok && (strict || !holds) {
		return nil
	}
	var err error
	if holds {
		if err = t.owner(path, info); err == nil {
			err = t.mode(path, info, group|others)
		}
	} else if info.Mode()&os.ModeSticky == 0 {
		err = t.mode(path, info, others)
	}
	if err == nil {
		t.seen[path] = holds
	}
	return err
}

// file checks one that is open.
func (t *trust) file(path string, info os.FileInfo) error {
	if t == nil {
		return nil
	}
	if err := t.owner(path, info); err != nil {
		return err
	}
	return t.mode(path, info, group|others)
}

// shared tells whether somebody else than root and the gateway's user may put
// something into a directory.
func (t *trust) shared(info os.FileInfo) bool {
	uid, gid, err := ids(info)
	return err != nil || uid != 0 && uid != t.uid || info.Mode().Perm()&others != 0 ||
		info.Mode().Perm()&group != 0 && !privateGroup(uid, gid)
}

func (t *trust) owner(path string, info os.FileInfo) error {
	uid, _, err := ids(info)
	if err != nil || uid == 0 || uid == t.uid || readOnly(path) {
		return err
	}
	return fmt.Errorf("%w: %s belongs to %s, who is neither root nor the gateway's user, and could change what runs here: chown root %s, or mount it read-only",
		ErrExposed, path, userName(uid), path)
}

// Who else than the owner may write to a file or into a directory.
const group, others os.FileMode = 0o020, 0o002

// mode refuses what any of those may write to.
func (t *trust) mode(path string, info os.FileInfo, who os.FileMode) error {
	uid, gid, err := ids(info)
	if err != nil {
		return err
	}
	open := info.Mode().Perm() & who
	if open == group && privateGroup(uid, gid) || open == 0 || readOnly(path) {
		return nil
	}
	whoever := "everybody on this host"
	if open == group {
		whoever = "the group " + groupName(gid)
	}
	return fmt.Errorf("%w: %s can be changed by %s, and with it what runs here: chmod go-w %s, or mount it read-only", ErrExposed, path, whoever, path)
}

// firstUser is the first user ID of a person; below it, users and groups of
// the same number need not belong together.
const firstUser = 1000

func privateGroup(uid, gid uint32) bool { return gid == uid && (uid == 0 || uid >= firstUser) }

func ids(info os.FileInfo) (uid, gid uint32, err error) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, fmt.Errorf("%s: the owner cannot be told on this system", info.Name())
	}
	return stat.Uid, stat.Gid, nil
}

func readOnly(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Flags&unix.ST_RDONLY != 0
}

func userName(id uint32) string {
	number := strconv.FormatUint(uint64(id), 10)
	if u, err := user.LookupId(number); err == nil {
		return "the user " + u.Username
	}
	return "the user with the number " + number
}

func groupName(id uint32) string {
	number := strconv.FormatUint(uint64(id), 10)
	if g, err := user.LookupGroupId(number); err == nil {
		return g.Name
	}
	return "with the number " + number
}
