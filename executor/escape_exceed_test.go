package executor

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Limits that are exceeded by a job of its own, because that ends it.

// tryMemoryLimit fills a variable.
func (g *escapeGateway) tryMemoryLimit() error {
	job, err := g.shell(`x=0123456789abcdef; while [ ${#x} -lt 33554432 ]; do x=$x$x; done; echo enough`)
	if err != nil {
		return err
	}
	if g.scene.Profile != ProfileHost {
		job.Limits.Memory = 24 << 20
	}
	res, err := g.run(job)
	if err != nil || res.out == "enough\n" {
		return err
	}
	if res.Status == StatusTimedOut || g.runner.sandbox.limits.Memory.Available && !res.OOM {
		g.harmed("a job without memory ended with %s, code %d, out of memory %v: %s", res.Status, res.ExitCode, res.OOM, res.err)
	}
	return fmt.Errorf("%s, out of memory %v", res.Status, res.OOM)
}

// tryTimeout ignores being asked to end. The control has enough time.
func (g *escapeGateway) tryTimeout() error {
	long := g.scene.Profile != ProfileHost // so long that no busy host takes as long to notice the timeout
	text := `trap '' TERM INT HUP XCPU; sleep 0.2`
	if long {
		text += "; sleep 60"
	}
	job, err := g.shell(text)
	if err != nil {
		return err
	}
	job.Filesystem.Execute = nil
	if long {
		job.Timeout = 50 * time.Millisecond
	}
	res, err := g.run(job)
	if err != nil || res.Status != StatusTimedOut {
		return err
	}
	return errors.New(string(res.Status))
}

// limitCPU is the processor time that a command tries to have more of.
const limitCPU = time.Second

func (g *escapeGateway) tryProcessorTime() error {
	job, err := g.shell(`trap '' TERM INT HUP; while :; do :; done`)
	if g.scene.Profile == ProfileHost {
		job, err = g.attacker("escape-burner")
	}
	if err != nil {
		return err
	}
	job.Limits.CPUSeconds = int64(limitCPU / time.Second)
	res, err := g.run(job)
	if err != nil || res.Status == StatusExited && res.ExitCode == 0 {
		return err
	}
	return errors.New(res.Signal)
}

// burn uses more than the limit: at first a signal is all that comes, which this program does not mind.
func burn() error {
	for {
		var ru unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
			return err
		}
		if time.Duration(ru.Utime.Nano()+ru.Stime.Nano()) > limitCPU+100*time.Millisecond {
			return nil
		}
	}
}

// hardeningMemory is the limit of memory: without a control group, it is for each process, and for what that has mapped.
const hardeningMemory = "limits.memory"

// What a hoarder may have, and what it goes for, in bytes.
const (
	hoardLimit = 128 << 20
	hoardGoal  = 256 << 20
)

// hoardIn has a command use memory that belongs to none of its processes.
func hoardIn(what string) func(*escapeGateway) error {
	return func(g *escapeGateway) error {
		job, err := g.attacker("escape-hoarder", "HOARD="+what)
		if err != nil {
			return err
		}
		if g.scene.Profile != ProfileHost && g.has(hardeningMemory) {
			job.Limits.Memory = hoardLimit
		}
		res, err := g.run(job)
		if err != nil || res.Status == StatusExited && res.ExitCode == 0 {
			return err
		}
		return fmt.Errorf("%s, out of memory %v: %s", res.Status, res.OOM, res.err)
	}
}

// hoard fills files in memory, or the buffers of sockets.
func hoard() error {
	chunk := make([]byte, 1<<20)
	if os.Getenv("HOARD") == "files" {
		fd, err := unix.MemfdCreate("hoard", unix.MFD_NOEXEC_SEAL)
		for had := 0; had < hoardGoal && err == nil; had += len(chunk) {
			_, err = unix.Write(fd, chunk)
		}
		return err
	}
	for had := 0; had < hoardGoal; {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		for _, fd := range pair {
			n, err := unix.Write(fd, chunk)
			if err != nil {
				return err
			}
			had += n
		}
	}
	return nil
}
