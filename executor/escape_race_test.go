package executor

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// swapped is how often jobs have to be started, and refused, while a link comes and goes in the place of their working directory.
const swapped = 5

// tryWorkdirRace has a command exchange a directory with a link to another one, again and again, while jobs are started in it. The control
// starts them as a program would that takes no care.
func (g *escapeGateway) tryWorkdirRace() (err error) {
	top := g.scene.in("race")
	defer os.RemoveAll(top)
	dir, link, evil := filepath.Join(top, "dir"), filepath.Join(top, "link"), filepath.Join(top, "evil")
	for _, d := range []string{top, dir, evil} {
		if err := os.MkdirAll(d, 0o777); err != nil {
			return err
		}
	}
	if err := os.Symlink(evil, link); err != nil {
		return err
	}
	swapper, err := g.attacker("escape-swapper", "DIR="+dir, "LINK="+link)
	if err != nil {
		return err
	}
	swapper.Filesystem = &Filesystem{Read: []string{top}, Write: []string{top}, Execute: []string{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := g.runner.Run(ctx, swapper)
		ended <- err
	}()
	defer func() {
		cancel()
		err = errors.Join(err, <-ended)
	}()
	if g.scene.Profile == ProfileHost {
		return careless(dir)
	}
	return g.startIn(dir)
}

// startIn starts jobs in a directory, and returns nil when one was started elsewhere.
func (g *escapeGateway) startIn(dir string) error {
	deadline := time.Now().Add(20 * time.Second)
	for started, refused := 0, 0; started < swapped || refused < swapped; {
		job, err := g.shell(`pwd -P`)
		if err != nil {
			return err
		}
		job.Workdir = dir
		res, err := g.run(job)
		var start *StartError
		switch {
		case errors.As(err, &start) && (start.Step == StepWorkdir || start.Step == StepStart):
			refused++
		case err != nil:
			return err
		case strings.HasSuffix(res.out, "/evil\n"):
			return nil
		case res.Status != StatusExited:
			g.harmed("a job in a directory that comes and goes ended with %s: %s", res.Status, res.err)
			return errors.New(string(res.Status))
		default:
			started++
		}
		if time.Now().After(deadline) {
			g.harmed("%d jobs were started and %d refused: nothing is proven", started, refused)
			break
		}
	}
	return errors.New("never in another directory")
}

// careless does without the precautions.
func careless(dir string) error {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		cmd := exec.Command("/bin/sh", "-c", "pwd -P")
		cmd.Dir = dir
		if out, err := cmd.Output(); err == nil && strings.HasSuffix(string(out), "/evil\n") {
			return nil
		}
	}
	return errors.New("never in another directory")
}

// swapForEver exchanges the directory and the link until it is killed.
func swapForEver() error {
	for {
		if err := unix.Renameat2(unix.AT_FDCWD, os.Getenv("DIR"), unix.AT_FDCWD, os.Getenv("LINK"), unix.RENAME_EXCHANGE); err != nil {
			return err
		}
	}
}
