package reap

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

var errProc = errors.New("malformed")

// children lists the processes whose parent is this one. It can leave out some while others end.
func children() ([]int, error) {
	threads, err := names("/proc/self/task")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, tid := range threads {
		text, err := os.ReadFile("/proc/self/task/" + tid + "/children")
		if gone(err) {
			if _, err := os.Stat("/proc/thread-self/children"); errors.Is(err, os.ErrNotExist) {
				return childrenByParent() // a kernel without CONFIG_PROC_CHILDREN
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		for field := range bytes.FieldsSeq(text) {
			pid, err := strconv.Atoi(string(field))
			if err != nil {
				return nil, fmt.Errorf("/proc/self/task/%s/children: %w", tid, errProc)
			}
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// childrenByParent asks every process.
func childrenByParent() ([]int, error) {
	all, err := names("/proc")
	if err != nil {
		return nil, err
	}
	self := strconv.Itoa(os.Getpid())
	var pids []int
	for _, name := range all {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// "PID (NAME) STATE PPID ...", where NAME may hold anything.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) > 1 && fields[1] == self {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// waitedFor returns the processes of which this process holds a descriptor, other than the given ones.
func waitedFor(but map[int]int) (map[int]bool, error) {
	open, err := names("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	found := make(map[int]bool)
	for _, name := range open {
		link, err := os.Readlink("/proc/self/fd/" + name)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !strings.Contains(link, "[pidfd]") {
			continue
		}
		if fd, err := strconv.Atoi(name); err != nil || but[fd] != 0 {
			continue
		}
		info, err := os.ReadFile("/proc/self/fdinfo/" + name)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		pid, err := pidOf(info)
		if err != nil {
			return nil, fmt.Errorf("/proc/self/fdinfo/%s: %w", name, err)
		}
		found[pid] = true
	}
	return found, nil
}

// pidOf reads the number of the process that a pidfd is for. It is -1 for one that has been waited for.
func pidOf(fdinfo []byte) (int, error) {
	for line := range bytes.Lines(fdinfo) {
		if value, ok := bytes.CutPrefix(line, []byte("Pid:")); ok {
			return strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	return 0, errProc
}

func names(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// gone says that a file of /proc stands for something that has ended.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH)
}
