package executor

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// tooDeep is more levels than the gateway may open files in tryDeep, besides those that it has open, and fewFiles how many those are.
const (
	tooDeep  = 500
	fewFiles = 100
)

// tryDeep has a command fill its private directory with a tree that cannot be gone down into.
func (g *escapeGateway) tryDeep() error {
	limit, err := allowFewFiles()
	if err != nil {
		return err
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			g.harmed("it cannot have its limit back: %v", err)
		}
	}()
	job, err := g.attacker("escape-digger")
	if err != nil {
		return err
	}
	job.Workdir = ""
	before, beforeErr := os.ReadDir(g.scene.Work)
	res, err := g.run(job)
	if err != nil {
		return err
	}
	after, afterErr := os.ReadDir(g.scene.Work)
	if err := errors.Join(beforeErr, afterErr); err != nil || res.ExitCode != 0 {
		g.harmed("no deep directory can be made: %v: %s", err, res.err)
	}
	if len(after) == len(before) {
		return errors.New("it was removed")
	}
	return nil
}

// allowFewFiles lets this process open few more files than it has, and returns the limit that it had.
func allowFewFiles() (was unix.Rlimit, err error) {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return was, err
	}
	highest := 0
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			highest = max(highest, fd)
		}
	}
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		return was, err
	}
	return was, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(highest + fewFiles), Max: was.Max})
}
