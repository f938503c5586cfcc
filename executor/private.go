package executor

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ripeTime is how old a directory has to be before it is given out, if it is to be used again: older than the step in which file systems count time.
// Then its times show whatever a job does to it, because nobody but the kernel sets the time of the last change.
const ripeTime = 100 * time.Millisecond

// privates hands out private directories. Making and removing one takes longer than starting a command, so those that a job leaves as it got them are
// given to later jobs of the same user, and some are made ahead.
type privates struct {
	root string
	keep int // how many are kept at most
	log  *slog.Logger

	filling sync.WaitGroup // who makes one ahead

	mu     sync.Mutex
	idle   map[ownership][]*private
	count  int // of those in idle, and those that are being made for it
	closed bool
}

// ownership is whom a private directory belongs to.
type ownership struct{ uid, gid uint32 }

// private is a directory that belongs to one job at a time.
type private struct {
	path  string
	entry string // the entry of WorkRoot that holds it
	owner identity
	dir   *os.File // of path, O_PATH
	made  time.Time
	seal  seal // how it looked before any job had it; zero where that cannot be told
}

// seal is what changes when anything is done to a directory: its owner, its mode, its attributes, or what is in it. The time of the last
// change alone would do.
type seal struct {
	inode          uint64
	mode           uint16
	uid, gid       uint32
	links          uint32
	change, modify unix.StatxTimestamp
}

func (p *private) look() (seal, error) {
	var st unix.Statx_t
	if err := unix.Statx(int(p.dir.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &st); err != nil {
		return seal{}, os.NewSyscallError("statx", err)
	}
	return seal{st.Ino, st.Mode, st.Uid, st.Gid, st.Nlink, st.Ctime, st.Mtime}, nil
}

// untouched tells whether the directory is as it was before any job had it.
func (p *private) untouched() bool {
	now, err := p.look()
	return err == nil && p.seal != seal{} && now == p.seal
}

// take returns a directory that belongs to id and holds nothing.
func (s *privates) take(id identity) (*private, error) {
	if p := s.settled(ownership{id.uid, id.gid}); p != nil {
		return p, nil
	}
	s.ahead(id)
	return s.make(id)
}

// settled takes one that was kept.
func (s *privates) settled(of ownership) *private {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.idle[of]
	for i := len(list) - 1; i >= 0; i-- {
		if p := list[i]; time.Since(p.made) >= ripeTime {
			s.idle[of] = append(list[:i], list[i+1:]...)
			s.count--
			return p
		}
	}
	return nil
}

// ahead has one made for a later job. An error is left to that job to find.
func (s *privates) ahead(id identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.count >= s.keep {
		return
	}
	s.count++
	s.filling.Go(func() {
		p, err := s.make(id)
		if err == nil {
			if p.seal, err = p.look(); err == nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.idle[ownership{id.uid, id.gid}] = append(s.idle[ownership{id.uid, id.gid}], p)
				return
			}
			err = p.remove()
		}
		if err != nil {
			s.log.Warn("executor: a private directory cannot be made ahead", "error", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.count--
	})
}

// giveBack takes a directory from a job. Where it is certain that no process of the job is left, it may be kept.
func (s *privates) giveBack(p *private, certain bool) error {
	if certain && p.untouched() && p.rename(s.root) == nil && s.store(p) {
		return nil
	}
	return p.remove()
}

// rename gives the directory another path, so that to whoever knows the one that the job had it is gone. Its own times do not change with the name of
// the directory that holds it.
func (p *private) rename(root string) error {
	entry := filepath.Join(root, privatePrefix+strconv.FormatUint(rand.Uint64(), 10))
	if err := unix.Renameat2(unix.AT_FDCWD, p.entry, unix.AT_FDCWD, entry, unix.RENAME_NOREPLACE); err != nil {
		return err
	}
	p.entry, p.path = entry, filepath.Join(entry, privateHome)
	return nil
}

func (s *privates) store(p *private) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.count >= s.keep {
		return false
	}
	of := ownership{p.owner.uid, p.owner.gid}
	s.idle[of] = append(s.idle[of], p)
	s.count++
	return true
}

// close removes those that are kept.
func (s *privates) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.filling.Wait()
	var errs []error
	for _, list := range s.idle {
		for _, p := range list {
			errs = append(errs, p.remove())
		}
	}
	s.idle = nil
	return errors.Join(errs...)
}

// make makes a directory.
func (s *privates) make(id identity) (_ *private, err error) {
	p := &private{owner: id, made: time.Now()}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.remove())
		}
	}()
	if p.entry, err = os.MkdirTemp(s.root, privatePrefix); err != nil { // mode 0700
		return nil, err
	}
	p.path = filepath.Join(p.entry, privateHome)
	if err = os.Mkdir(p.path, 0o700); err != nil {
		return nil, err
	}
	if id.switches {
		if err = os.Chmod(p.entry, 0o711); err == nil {
			err = os.Lchown(p.path, int(id.uid), int(id.gid))
		}
		if errors.Is(err, unix.EPERM) {
			if err = errors.Join(os.Remove(p.path), os.Remove(p.entry)); err == nil {
				err = p.makeHome(s.root)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	p.dir, err = openExact(p.path, unix.O_DIRECTORY)
	return p, err
}

// makeHome makes a directory for another user without CAP_CHOWN, which the gateway need not have: the owner makes it himself, in a directory that
// his group may write to for that moment.
func (p *private) makeHome(root string) error {
	return actAs(uint32(os.Geteuid()), p.owner.gid, func() error {
		dir, err := os.MkdirTemp(root, privatePrefix)
		if err != nil {
			return err
		}
		p.entry, p.path = dir, filepath.Join(dir, privateHome)
		if err := os.Chmod(dir, 0o730); err != nil {
			return err
		}
		if err := setFS(p.owner.uid, p.owner.gid); err != nil {
			return err
		}
		if err := os.Mkdir(p.path, 0o700); err != nil {
			return err
		}
		if err := setFS(uint32(os.Geteuid()), p.owner.gid); err != nil {
			return err
		}
		return os.Chmod(dir, 0o710)
	})
}

// remove removes the directory with all that is in it.
func (p *private) remove() error {
	if p.dir != nil {
		p.dir.Close()
	}
	if p.entry == "" {
		return nil
	}
	_ = os.Remove(p.path) // in most cases it is empty, and the rest is soon done
	return removePrivate(p.entry)
}
