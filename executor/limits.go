package executor

import (
	"math"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/executor/internal/spawn"
)

// Limits of open files of a job that names none: what programs expect, and what one that knows better may raise it to.
const (
	openFilesSoft = 1024
	openFilesHard = 4096
)

// rlimits are the limits of every process of the job. Those on memory and processes stand in for a control group where there is none: the memory is then
// that of each process by itself, and the processes are all those of the job's user.
func (b *sandbox) rlimits(l Limits) []spawn.Rlimit {
	limits := []spawn.Rlimit{
		coreDumps(),
		openFiles(l.OpenFiles),
	}
	set := func(resource int, n int64) {
		if n > 0 {
			limits = append(limits, spawn.Rlimit{Resource: resource, Soft: uint64(n), Hard: uint64(n)})
		}
	}
	set(unix.RLIMIT_FSIZE, l.FileSize)
	if l.CPUSeconds > 0 {
		// SIGXCPU at the soft limit, SIGKILL a second later.
		limits = append(limits, spawn.Rlimit{Resource: unix.RLIMIT_CPU, Soft: uint64(l.CPUSeconds), Hard: uint64(l.CPUSeconds) + 1})
	}
	if !b.limits.Memory.Available {
		set(unix.RLIMIT_AS, l.Memory)
	}
	if !b.limits.PIDs.Available {
		set(unix.RLIMIT_NPROC, l.PIDs)
	}
	return limits
}

// coreDumps allows none: a dump holds what the process had read. 1 byte is too little for one, and keeps the kernel from starting the host's handler of
// crashes as well, for which 0 is no limit (coredump_pipe in fs/coredump.c). A gateway that may have 0 alone cannot set it.
func coreDumps() spawn.Rlimit {
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &own); err != nil {
		own.Max = 0
	}
	most := min(1, own.Max)
	return spawn.Rlimit{Resource: unix.RLIMIT_CORE, Soft: most, Hard: most}
}

// openFiles is never above what the gateway itself may have: only root with CAP_SYS_RESOURCE could raise that.
func openFiles(asked int64) spawn.Rlimit {
	limit := spawn.Rlimit{Resource: unix.RLIMIT_NOFILE, Soft: openFilesSoft, Hard: openFilesHard}
	if asked > 0 {
		limit.Soft, limit.Hard = uint64(asked), uint64(asked)
	}
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil {
		own.Max = math.MaxUint64
	}
	limit.Hard = min(limit.Hard, own.Max)
	limit.Soft = min(limit.Soft, limit.Hard)
	return limit
}
