package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func init() { helpers["escape-swapper"] = swapForEver }

// beside is a try that takes more than a command: it returns nil if a command got through.
type beside struct {
	try
	run func(*escapeGateway) error
	// when is nil for always.
	when func(*scene) bool
}

// besides are tried by jobs of their own.
func besides() []beside {
	return []beside{
		{try: try{name: "use more memory than it may"}, run: (*escapeGateway).tryMemoryLimit},
		{try: try{name: "run longer than it may", excuse: always("a timeout holds under every profile")}, run: (*escapeGateway).tryTimeout},
		{
			try: try{name: "use more processor time than it may", excuse: always("a limit holds under every profile")},
			run: (*escapeGateway).tryProcessorTime,
			when: func(s *scene) bool { // it takes a second of it
				return s.Who == whoRoot && s.Profile == ProfileConfined && s.Way == WayVfork ||
					s.Who == whoSelf && s.Profile == ProfileIsolated && s.Way == WayHelper
			},
		},
		{try: try{name: "be granted the state directory for reading"}, run: grant(func(f *Filesystem, s *scene) { f.Read = []string{s.State} })},
		{try: try{name: "be granted the secret for reading"}, run: grant(func(f *Filesystem, s *scene) { f.Read = []string{s.Secret} })},
		{try: try{name: "be granted the state directory if present"}, run: grant(func(f *Filesystem, s *scene) { f.ReadIfPresent = []string{s.State} })},
		{try: try{name: "be granted the state directory for executing"}, run: grant(func(f *Filesystem, s *scene) { f.Execute = []string{s.State} })},
		{
			try:  try{name: "turn a root of its decision into a link to another directory"},
			run:  (*escapeGateway).tryForeignLink,
			when: func(s *scene) bool { return s.Who == whoUser }, // another user than the gateway can have made the link
		},
		{
			try:  try{name: "put a link in the place of another job's working directory"},
			run:  (*escapeGateway).tryWorkdirRace,
			when: func(s *scene) bool { return s.Who != whoUser && s.Who != whoService },
		},
	}
}

func besideTries() (tries []try) {
	for _, b := range besides() {
		tries = append(tries, b.try)
	}
	return tries
}

func (g *escapeGateway) tryBesides() {
	for _, b := range besides() {
		if b.when != nil && !b.when(&g.scene) {
			continue
		}
		err := b.run(g)
		f := finding{Through: err == nil}
		if err != nil {
			f.Detail = err.Error()
		}
		var refused *UnavailableError
		if errors.As(err, &refused) {
			f.Untried, f.Excuse = true, g.excuse(err)
		}
		g.note(&b.try, f)
	}
}

// shell is a job of a script.
func (g *escapeGateway) shell(script string) (Job, error) {
	job, err := g.program("/bin/sh", "sh", "-c", script)
	job.Env = append(job.Env, "FIFO="+g.scene.Fifo)
	return job, err
}

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

// tryTimeout ignores being asked to end.
func (g *escapeGateway) tryTimeout() error {
	job, err := g.shell(`trap '' TERM INT HUP XCPU; read -r line <"$FIFO"`)
	if err != nil {
		return err
	}
	job.Timeout = 50 * time.Millisecond
	res, err := g.run(job)
	if err != nil || res.Status != StatusTimedOut {
		return err
	}
	return errors.New(string(res.Status))
}

func (g *escapeGateway) tryProcessorTime() error {
	job, err := g.shell(`trap '' TERM INT HUP; while :; do :; done`)
	if err != nil {
		return err
	}
	job.Limits.CPUSeconds = 1
	res, err := g.run(job)
	if err != nil || res.Status != StatusSignaled {
		return err
	}
	return errors.New(res.Signal)
}

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
	swapper, err := g.program(g.scene.in(programAttacker), programAttacker)
	if err != nil {
		return err
	}
	swapper.Env = append(swapper.Env, helperKey+"=escape-swapper", "DIR="+dir, "LINK="+link)
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
