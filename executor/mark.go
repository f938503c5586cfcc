package executor

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// environMax bounds how much of one process's environment is read, in bytes: more than execve(2) lets a command have (6 MiB).
const environMax = 8 << 20

// seeker looks for the marks of some jobs in the environments of processes.
type seeker struct {
	wanted map[string]struct{} // job IDs
	// The environment of another user's process may be readable for that user only. owner is a user to look as; anyOwner looks as whoever the
	// process belongs to, root excepted.
	owner    *identity
	anyOwner bool
}

// findings are process numbers. Undecided are those of processes that show no environment where there should be one: mostly they are in the middle of an
// execve and have none for that moment.
type findings struct{ marked, undecided []int }

func (f findings) none() bool { return len(f.marked)+len(f.undecided) == 0 }

// Verdicts on a process.
type verdict int

const (
	unmarked verdict = iota
	marked
	undecided
)

func (f *findings) add(pid int, v verdict) {
	switch v {
	case marked:
		f.marked = append(f.marked, pid)
	case undecided:
		f.undecided = append(f.undecided, pid)
	}
}

// seek looks at each of the processes.
func (s *seeker) seek(pids []int) (found findings) {
	var denied []int
	for _, pid := range pids {
		v, err := s.judge(pid)
		if errors.Is(err, os.ErrPermission) {
			denied = append(denied, pid)
		}
		found.add(pid, v)
	}
	s.seekAsOwner(denied, &found)
	return found
}

// seekAsOwner looks with the rights of the processes' own users.
func (s *seeker) seekAsOwner(pids []int, found *findings) {
	byOwner := make(map[[2]uint32][]int)
	for _, pid := range pids {
		id, err := ownerOf(procDir(pid))
		if err != nil {
			continue
		}
		if s.anyOwner && id.uid != 0 || s.owner != nil && s.owner.uid == id.uid {
			key := [2]uint32{id.uid, id.gid}
			byOwner[key] = append(byOwner[key], pid)
		}
	}
	for id, pids := range byOwner {
		_ = actAs(id[0], id[1], func() error {
			for _, pid := range pids {
				v, _ := s.judge(pid)
				found.add(pid, v)
			}
			return nil
		})
	}
}

// judge reads the environment of a process and, where there is none, finds out why.
func (s *seeker) judge(pid int) (verdict, error) {
	if pid == os.Getpid() {
		return unmarked, nil
	}
	v, empty, err := s.read(procDir(pid))
	if !empty || err != nil {
		return v, err
	}
	st, err := readState(pid)
	switch {
	case err != nil || st.kernel:
		return unmarked, err
	case st.threads > 1 && st.ending:
		// The first thread has ended and the others go on: they still have an environment.
		return s.judgeThreads(pid)
	case st.ending || st.bare:
		return unmarked, nil
	}
	return undecided, nil // that it shows one now means that an execve has just ended
}

func (s *seeker) judgeThreads(pid int) (verdict, error) {
	threads, err := filepath.Glob(procDir(pid) + "/task/*")
	for _, dir := range threads {
		if v, _, _ := s.read(dir); v == marked {
			return marked, nil
		}
	}
	return unmarked, err
}

func procDir(pid int) string { return "/proc/" + strconv.Itoa(pid) }

// environReaders are for read.
var environReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 8<<10) }}

// read looks for a mark in dir/environ.
func (s *seeker) read(dir string) (v verdict, empty bool, err error) {
	f, err := os.Open(dir + "/environ")
	if errors.Is(err, unix.ESRCH) { // newer kernels say this of a process without memory, older ones show nothing
		return unmarked, true, nil
	}
	if err != nil {
		return unmarked, false, err
	}
	defer f.Close()
	r := environReaders.Get().(*bufio.Reader)
	defer environReaders.Put(r)
	r.Reset(io.LimitReader(f, environMax))
	defer r.Reset(nil)
	if _, err := r.Peek(1); errors.Is(err, io.EOF) {
		return unmarked, true, nil
	}
	v, err = s.scan(r)
	return v, false, err
}

// scan looks through NUL-terminated entries. One that is longer than the reader's buffer cannot be a mark and is passed over.
func (s *seeker) scan(r *bufio.Reader) (verdict, error) {
	prefix := []byte(markKey + "=")
	start := true // of an entry
	for {
		entry, err := r.ReadSlice(0)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return unmarked, err
		}
		if start && !errors.Is(err, bufio.ErrBufferFull) {
			id, ok := bytes.CutPrefix(bytes.TrimSuffix(entry, []byte{0}), prefix)
			if _, wanted := s.wanted[string(id)]; ok && wanted {
				return marked, nil
			}
		}
		if errors.Is(err, io.EOF) {
			return unmarked, nil
		}
		start = err == nil
	}
}
