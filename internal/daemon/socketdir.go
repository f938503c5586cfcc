package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// socketDir returns the path, free of links, of a directory that a socket is safe in: nobody but root and the gateway's user
// can put another socket in its place, for callers to talk to. The directory belongs to one of the two, and nobody else may
// write to it; a group that has its owner's number is that user's own. To the directories around it not everybody may write,
// unless they are sticky, like /tmp; there a link may be anybody's and is not followed.
func socketDir(dir string) (string, error) {
	at, rest, links, shared := "/", segments(dir), 0, false
	for {
		info, err := os.Lstat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("the directory %s does not exist; make it, or have systemd make it (RuntimeDirectory=)", at)
		case err != nil:
			return "", err
		case info.Mode().Type() == fs.ModeSymlink:
			if links++; links > mostLinks {
				return "", &fs.PathError{Op: "open", Path: dir, Err: syscall.ELOOP}
			}
			if shared {
				return "", fmt.Errorf("%s is a symbolic link where everybody may make one; name the directory itself", at)
			}
			target, err := os.Readlink(at)
			if err != nil {
				return "", err
			}
			rest = append(segments(target), rest...)
			at = filepath.Dir(at)
			if filepath.IsAbs(target) {
				at = "/"
			}
			continue
		case !info.IsDir():
			return "", fmt.Errorf("%s is not a directory", at)
		case len(rest) == 0:
			return at, checkHolder(at, info)
		}
		if shared = info.Mode().Perm()&0o002 != 0; shared && info.Mode()&fs.ModeSticky == 0 {
			return "", fmt.Errorf("everybody on this host may write to %s, and so put another socket in the place of the gateway's: chmod o-w %s", at, at)
		}
		// at is free of links here, so its parent is the directory around it.
		at, rest = filepath.Join(at, rest[0]), rest[1:]
	}
}

func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}

// checkHolder checks the directory that the socket itself is in.
func checkHolder(dir string, info fs.FileInfo) error {
	uid, gid := ownerOf(info)
	if uid != 0 && int(uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to %s, who is neither root nor the gateway's user, and could put another socket in the place of the gateway's: "+
			"chown root %s, or name another directory", dir, userName(uid), dir)
	}
	switch open := info.Mode().Perm() & 0o022; {
	case open == 0, open == 0o020 && privateGroup(uid, gid):
		return nil
	case open == 0o020:
		return fmt.Errorf("the group %d may write to %s, and so put another socket in the place of the gateway's: chmod g-w %s", gid, dir, dir)
	}
	return fmt.Errorf("everybody on this host may write to %s, and so put another socket in the place of the gateway's: chmod go-w %s", dir, dir)
}

// firstUser is the first user ID of a person; below it, users and groups of the same number need not belong together.
const firstUser = 1000

func privateGroup(uid, gid uint32) bool { return gid == uid && (uid == 0 || uid >= firstUser) }

func ownerOf(info fs.FileInfo) (uid, gid uint32) {
	stat := info.Sys().(*syscall.Stat_t) // what os.Lstat returns on Linux
	return stat.Uid, stat.Gid
}

func userName(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(number); err == nil {
		return "the user " + u.Username
	}
	return "the user with the number " + number
}
