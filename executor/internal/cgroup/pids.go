package cgroup

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// pidsFiles are files of the pids controller in one group. Both versions have the same.
type pidsFiles struct {
	max, current file
	events       file // noFile before Linux 4.8
}

func (p *pidsFiles) forget() { *p = pidsFiles{noFile, noFile, noFile} }

func (p *pidsFiles) open(dir file) (err error) {
	if p.max, err = openat(dir, "pids.max", unix.O_WRONLY); err != nil {
		return err
	}
	if p.current, err = openat(dir, "pids.current", unix.O_RDONLY); err != nil {
		return err
	}
	p.events, err = openIn(dir, "pids.events", unix.O_RDONLY)
	return err
}

func (p *pidsFiles) close() {
	p.max.close()
	p.current.close()
	p.events.close()
	p.forget()
}

// limit sets how many processes and threads there may be. 0 is as many as the host has room for.
func (p *pidsFiles) limit(h *host, n int64) error {
	if n == 0 {
		return h.write(p.max, "max")
	}
	return h.write(p.max, strconv.FormatInt(n, 10))
}

// refusals counts the forks that failed at the limit.
func (p *pidsFiles) refusals() (int64, error) {
	if p.events == noFile {
		return 0, nil
	}
	return p.events.field("max")
}
