package executor

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// settledChange is how old the time of a file's last change must be to tell a later change from it: longer than the units in which file systems
	// count it.
	settledChange = 3 * time.Second
	maxBinaries   = 1024
)

// version is a file as it was at some time: whatever is done to it changes this. The last of these nobody can set.
type version struct {
	dev, ino uint64
	size     int64
	modified unix.Timespec
	changed  unix.Timespec
}

// binaries remembers files that begin like no script, so that they need not be opened and read for each job. What becomes a script without being noticed
// would not be executed: a descriptor that execve closes names none (ENOENT).
type binaries struct {
	mu    sync.Mutex
	known map[version]struct{}
}

// noScripts are those that this process has met. They are files of the host, so they are the same for every Runner.
var noScripts binaries

// versionOf asks for the version of an open file. It is certain where it tells every later change.
func versionOf(fd int) (s version, certain bool) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return version{}, false
	}
	s = version{dev: st.Dev, ino: st.Ino, size: st.Size, modified: st.Mtim, changed: st.Ctim}
	return s, time.Since(time.Unix(st.Ctim.Unix())) > settledChange
}

func (b *binaries) has(s version) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.known[s]
	return ok
}

func (b *binaries) add(s version) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil || len(b.known) >= maxBinaries {
		b.known = make(map[version]struct{})
	}
	b.known[s] = struct{}{}
}
