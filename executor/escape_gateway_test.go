package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func init() { helpers["escape-gateway"] = escapeGatewayProcess }

// escapeReport is what a gateway writes to its standard output.
type escapeReport struct {
	Findings []finding
	Harm     []string
}

// escapeGateway runs the commands that attack it.
type escapeGateway struct {
	scene   scene
	runner  *Runner
	bare    *Runner // of the same configuration
	fifo    *os.File
	signals chan os.Signal
	arrived map[os.Signal]int
	whole   condition // what it is like when nobody has harmed it
	report  escapeReport
	jobs    int

	strangers  map[int]bool    // children that commands have made it
	controlled map[string]bool // the tries that this user's commands can make without a sandbox
}

func escapeGatewayProcess() (err error) {
	// As the gateway does: its memory and all that /proc tells of it are nobody's but root's.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		syscall.Exit(1)
	}()
	g := &escapeGateway{signals: make(chan os.Signal, 100), arrived: map[os.Signal]int{}, strangers: map[int]bool{}}
	signal.Notify(g.signals, unix.SIGUSR1, unix.SIGUSR2, unix.SIGIO, unix.SIGCONT, unix.SIGTERM, unix.SIGHUP, unix.SIGXCPU, fenceSignal)
	g.scene.Top, g.scene.Hidden = os.Getenv("ESCAPE_TOP"), os.Getenv("ESCAPE_HIDDEN")
	runtimeTrees = append(runtimeTrees, g.scene.in("runtime"))
	runtimePrograms = append(runtimePrograms, g.scene.in("runtime"))
	if err := g.scene.set(); err != nil {
		return fmt.Errorf("setting the scene: %w", err)
	}
	defer func() { err = errors.Join(err, g.scene.close()) }()
	if g.fifo, err = os.OpenFile(g.scene.Fifo, os.O_RDWR, 0); err != nil {
		return err
	}
	if err := g.attackedBy(Way(os.Getenv("ESCAPE_WAY"))); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(g.report)
}

// attackedBy has every battery tried by children that are made in this way.
func (g *escapeGateway) attackedBy(way Way) error {
	g.scene.Way, g.scene.Work = way, g.scene.in("state/work")
	whos := whoMayBe()
	config := Config{
		WorkRoot: g.scene.Work, Way: way, Protected: g.scene.protected(), KillGrace: 50 * time.Millisecond, PipeGrace: 200 * time.Millisecond,
	}
	if slices.Contains(whos, whoService) {
		config.User = other
	}
	var err error
	if g.runner, err = New(config); err != nil {
		return err
	}
	if err = g.newBare(config); err != nil {
		return err
	}
	if g.whole, err = g.look(); err != nil {
		return err
	}
	for _, who := range whos {
		for _, profile := range profiles {
			g.scene.Who, g.scene.Profile = who, profile
			if err := g.combination(); err != nil {
				return fmt.Errorf("%s, %s: %w", who, profile, err)
			}
		}
	}
	g.awaitBurial()
	return errors.Join(g.runner.Close(), g.bare.Close())
}

// combination has every battery tried as one user under one profile.
func (g *escapeGateway) combination() error {
	bystander, err := g.startBystander()
	if err != nil {
		return err
	}
	defer func() {
		_ = bystander.Process.Kill()
		_ = bystander.Wait()
	}()
	depart, err := g.moveIn()
	if err != nil {
		return fmt.Errorf("another job: %w", err)
	}
	before := len(g.report.Findings)
	for _, b := range batteries() {
		if b.name == gatewayBattery {
			g.tryBesides()
		} else {
			g.attack(b)
		}
	}
	g.examine()
	if err := g.conclude(g.report.Findings[before:]); err != nil {
		return err
	}
	if err := depart(); err != nil {
		return err
	}
	g.examineRest()
	return nil
}

// conclude notes what is possible without a sandbox, and finds out what denies it with one. That does not depend on the way.
func (g *escapeGateway) conclude(findings []finding) error {
	switch {
	case g.scene.Profile == ProfileHost:
		g.controlled = map[string]bool{}
		for _, f := range findings {
			g.controlled[f.Try] = f.Through
		}
	case g.scene.Profile == ProfileConfined && g.scene.Way == WayVfork:
		if err := g.explain(findings); err != nil {
			return err
		}
		clear(g.arrived)
		g.findStrangers(true)
		g.examine()
	}
	return nil
}

// whoMayBe are whom this gateway's commands run as.
func whoMayBe() []string {
	_, err := user.Lookup(other)
	switch {
	case os.Geteuid() == 0 && err != nil:
		return []string{whoRoot}
	case os.Geteuid() == 0:
		return []string{whoRoot, whoUser}
	case !maySwitchUsers():
		return []string{whoSelf}
	case err == nil:
		return []string{whoService}
	}
	return nil
}

// user is whom jobs name.
func (g *escapeGateway) user() string {
	if g.scene.switches() {
		return other
	}
	return ""
}

// job is a command of this program that is one of the attackers.
func (g *escapeGateway) job(s *scene) (Job, error) {
	told, err := json.Marshal(s)
	if err != nil {
		return Job{}, err
	}
	job, err := g.attacker("escape-attacker", sceneKey+"="+string(told))
	job.Filesystem.Execute = []string{g.scene.in(programPlain), g.scene.in(programSetuid), g.scene.in(programCapable)}
	return job, err
}

// program is a command of any program, with the lists of the narrow battery.
func (g *escapeGateway) program(path string, argv ...string) (Job, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Job{}, err
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Job{}, err
	}
	g.jobs++
	s := &g.scene
	return Job{
		ID:      fmt.Sprintf("escape-%d-%d", os.Getpid(), g.jobs),
		Argv:    argv,
		Program: Program{Path: path, Dev: uint64(st.Dev), Ino: st.Ino},
		Workdir: s.Outside,
		Env:     []string{"PATH=/usr/local/bin:/usr/bin:/bin", quickExit},
		Profile: s.Profile, Timeout: time.Minute, MaxOutput: 1 << 20, User: g.user(),
		Filesystem: &Filesystem{Read: []string{s.Readable, s.Writable}, Write: []string{s.Writable}, Execute: []string{}},
		Network:    NetworkNone,
	}, nil
}

// performance is a job with what it wrote.
type performance struct {
	Result
	out, err string
}

func (g *escapeGateway) run(job Job) (performance, error) { return perform(g.runner, job) }

func perform(r *Runner, job Job) (performance, error) {
	res, err := r.Run(context.Background(), job)
	if err != nil {
		return performance{}, err
	}
	defer res.Close()
	stdout, outErr := res.Stdout.Bytes()
	stderr, errErr := res.Stderr.Bytes()
	return performance{res, string(stdout), string(stderr)}, errors.Join(outErr, errErr)
}
