package executor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// nearPIDs and nearTime bound when the processes younger than a job are looked for by number instead of by listing /proc. Within nearTime the numbers
// cannot have gone round.
const (
	nearPIDs = 4096
	nearTime = time.Second
)

// candidates returns where hunted processes can be, and the newest process number from before it looked, 0 if that is not known. Numbers are given
// out in rising order, so those of a short job's descendants lie between its own and the newest, and mostly there is none: looking at all of /proc
// would take longer than a short command.
func (h *hunt) candidates() (pids []int, last int, err error) {
	last, err = newestPID()
	if err != nil {
		last = 0
	}
	if h.leader != 0 && h.leader <= last && last-h.leader <= nearPIDs && time.Since(h.started) < nearTime {
		return between(h.leader, last), last, nil
	}
	pids, err = listProcesses()
	return slices.DeleteFunc(pids, func(pid int) bool { return pid == h.leader }), last, err
}

// between returns the numbers after first up to last.
func between(first, last int) []int {
	pids := make([]int, 0, last-first)
	for pid := first + 1; pid <= last; pid++ {
		pids = append(pids, pid)
	}
	return pids
}

// listProcesses returns all processes that /proc shows.
func listProcesses() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// newestPID reads which process number was given out last in this pid namespace. Kernels without checkpoint/restore do not say.
func newestPID() (int, error) {
	var buf [24]byte
	fd, err := unix.Open("/proc/sys/kernel/ns_last_pid", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(bytes.TrimSpace(buf[:n])))
}

// state is what tells apart the processes that show no environment.
type state struct {
	kernel  bool // a thread of the kernel
	ending  bool // its first thread is exiting or has exited
	bare    bool // it was executed with an empty environment
	threads int
}

// Flags and fields of /proc/PID/stat: proc_pid_stat(5), and PF_ in include/linux/sched.h.
const (
	flagExiting = 0x00000004
	flagKernel  = 0x00200000

	// Counted from the state on, which is field 3: the name before it may hold spaces and parentheses.
	fieldState        = 0
	fieldFlags        = 9 - 3
	fieldThreads      = 20 - 3
	fieldEnvironStart = 50 - 3
	fieldEnvironEnd   = 51 - 3
)

var errStat = errors.New("malformed")

func readState(pid int) (state, error) {
	data, err := os.ReadFile(procDir(pid) + "/stat")
	if err != nil {
		return state{}, err
	}
	st, err := parseState(data)
	if err != nil {
		return state{}, fmt.Errorf("%s/stat: %w", procDir(pid), err)
	}
	return st, nil
}

func parseState(stat []byte) (state, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= fieldEnvironEnd {
		return state{}, errStat
	}
	flags, err1 := strconv.ParseUint(string(fields[fieldFlags]), 10, 64)
	threads, err2 := strconv.Atoi(string(fields[fieldThreads]))
	start, err3 := strconv.ParseUint(string(fields[fieldEnvironStart]), 10, 64)
	end, err4 := strconv.ParseUint(string(fields[fieldEnvironEnd]), 10, 64)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return state{}, errStat
	}
	life := fields[fieldState][0]
	return state{
		kernel:  flags&flagKernel != 0,
		ending:  life == 'Z' || life == 'X' || flags&flagExiting != 0,
		bare:    end != 0 && end == start,
		threads: threads,
	}, nil
}
