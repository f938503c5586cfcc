package executor

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The limits of a job, each of which is exceeded. The control is a job without any.

// What the limited battery is allowed, and what it tries for.
const (
	limitOpenFiles, tryOpenFiles = 64, 200
	limitFileSize, tryFileSize   = 64 << 10, 256 << 10
	limitPIDs, tryPIDs           = 50, 80
	limitCPUSeconds              = 1
)

func limitEverything(g *escapeGateway, s *scene) (Job, error) {
	job, err := g.job(s)
	if s.Profile != ProfileHost {
		job.Limits = Limits{PIDs: limitPIDs, CPUSeconds: limitCPUSeconds, OpenFiles: limitOpenFiles, FileSize: limitFileSize}
	}
	job.Network = NetworkNetlink
	return job, err
}

var limitTries = limited([]try{
	{name: "open more files than it may", do: openMany},
	{name: "write a longer file than it may", do: writeMuch},
	{name: "write a longer file than it may, with a hole", do: func(s *scene) error {
		return withOwnFile(s, func(_ *scene, own string) error { return unix.Truncate(own, tryFileSize) })
	}},
	{name: "make more processes than it may", do: forkMany},
	{name: "raise the limit of processor time", do: func(*scene) error { return raiseFinite(unix.RLIMIT_CPU) }, excuse: needs(unix.CAP_SYS_RESOURCE)},
	{name: "raise the limit of the size of files", do: func(*scene) error { return raiseFinite(unix.RLIMIT_FSIZE) }, excuse: needs(unix.CAP_SYS_RESOURCE)},
})

const byLimit = "its limit"

// limited says of tries what denies them.
func limited(tries []try) []try {
	for i := range tries {
		tries[i].by = byLimit
	}
	return tries
}

func openMany(*scene) error {
	var opened []int
	defer func() {
		for _, fd := range opened {
			unix.Close(fd)
		}
	}()
	for range tryOpenFiles {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		opened = append(opened, fd)
	}
	return nil
}

func writeMuch(s *scene) error {
	path := filepath.Join(s.own(), "long")
	defer os.Remove(path)
	return os.WriteFile(path, make([]byte, tryFileSize), 0o600)
}

// forkMany makes processes that wait, until no more can be made.
func forkMany(*scene) (err error) {
	var pids []int
	for range tryPIDs {
		pid, errno := forkRaw(cloning(0), []rawCall{raw(unix.SYS_RT_SIGSUSPEND, address(new(uint64)), 8)})
		if errno != 0 {
			err = errno
			break
		}
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
	}
	return err
}

// raiseFinite raises a hard limit that is set. One that is not is as high as can be.
func raiseFinite(resource int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(resource, &limit); err != nil || limit.Max == unix.RLIM_INFINITY {
		return err
	}
	return raise(resource)
}
