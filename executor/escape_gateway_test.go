package executor

import (
	"bufio"
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
	"strings"
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
	fifo    *os.File
	signals chan os.Signal
	arrived map[os.Signal]int
	whole   condition // what it is like when nobody has harmed it
	report  escapeReport
	jobs    int
}

func escapeGatewayProcess() error {
	// As the gateway does: its memory and all that /proc tells of it are nobody's but root's.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		syscall.Exit(1)
	}()
	g := &escapeGateway{signals: make(chan os.Signal, 100), arrived: map[os.Signal]int{}}
	signal.Notify(g.signals, unix.SIGUSR1, unix.SIGUSR2, unix.SIGIO, unix.SIGCONT, unix.SIGTERM, unix.SIGHUP, unix.SIGXCPU, fenceSignal)
	g.scene.Top, g.scene.Hidden = os.Getenv("ESCAPE_TOP"), os.Getenv("ESCAPE_HIDDEN")
	runtimeTrees = append(runtimeTrees, g.scene.in("runtime"))
	runtimePrograms = append(runtimePrograms, g.scene.in("runtime"))
	if err := g.scene.set(); err != nil {
		return fmt.Errorf("setting the scene: %w", err)
	}
	var err error
	if g.fifo, err = os.OpenFile(g.scene.Fifo, os.O_RDWR, 0); err != nil {
		return err
	}
	for _, way := range []Way{WayVfork, WayHelper} {
		if err := g.attackedBy(way); err != nil {
			return fmt.Errorf("%s: %w", way, err)
		}
	}
	if err := g.scene.close(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(g.report)
}

// attackedBy has every battery tried by children that are made in this way.
func (g *escapeGateway) attackedBy(way Way) error {
	g.scene.Way, g.scene.Work = way, g.scene.in("state/work-"+string(way))
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
	return g.runner.Close()
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
	for _, b := range batteries() {
		if b.name == gatewayBattery {
			g.tryBesides()
		} else {
			g.attack(b)
		}
	}
	if err := depart(); err != nil {
		return err
	}
	g.examine()
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
	job, err := g.program(g.scene.in(programAttacker), programAttacker)
	job.Env = append(job.Env, helperKey+"=escape-attacker", sceneKey+"="+string(told))
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

func (g *escapeGateway) run(job Job) (performance, error) {
	res, err := g.runner.Run(context.Background(), job)
	if err != nil {
		return performance{}, err
	}
	defer res.Close()
	stdout, outErr := res.Stdout.Bytes()
	stderr, errErr := res.Stderr.Bytes()
	return performance{res, string(stdout), string(stderr)}, errors.Join(outErr, errErr)
}

// attack runs the job of a battery and takes down what it could do.
func (g *escapeGateway) attack(b battery) {
	s := g.scene
	s.Battery = b.name
	job, err := b.job(g, &s)
	var res performance
	if err == nil {
		res, err = g.run(job)
	}
	told := map[string]finding{}
	lines := bufio.NewScanner(strings.NewReader(res.out))
	for lines.Scan() {
		var f finding
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			g.harmed("%s: the command wrote %q", b.name, lines.Text())
		}
		told[f.Try] = f
	}
	if err == nil && (res.Status != StatusExited || res.ExitCode != 0) {
		g.harmed("%s: the command ended with %s, code %d: %s", b.name, res.Status, res.ExitCode, res.err)
	}
	for _, t := range b.tries {
		f, tried := told[t.name]
		if err != nil {
			f = finding{Untried: true, Detail: err.Error(), Excuse: g.excuse(err)}
		} else if !tried {
			f = finding{Untried: true, Detail: fmt.Sprintf("the command ended with %s, code %d: %s", res.Status, res.ExitCode, res.err)}
		}
		g.note(&t, f)
	}
}

// excuse says why a job may have been refused: nothing of it was run.
func (g *escapeGateway) excuse(err error) string {
	if errors.Is(err, errNoShell) {
		return "the host has no bash"
	}
	var refused *UnavailableError
	if g.scene.Profile != ProfileIsolated || !errors.As(err, &refused) {
		return ""
	}
	switch g.scene.Who {
	case whoSelf:
		return withoutNamespaces(&g.scene)
	case whoService:
		return "a gateway without CAP_SYS_ADMIN can make namespaces for its own user alone"
	}
	return needs(unix.CAP_SYS_ADMIN)(&g.scene)
}

// note takes a finding down.
func (g *escapeGateway) note(t *try, f finding) {
	f.Try, f.Profile, f.Way, f.Who = t.name, g.scene.Profile, g.scene.Way, g.scene.Who
	f.Softer = t.hardening != "" && !g.has(t.hardening)
	if f.Through && t.arrived != 0 && !g.hasArrived(t) {
		f.Through, f.Detail = false, "not delivered"
	}
	if f.Profile == ProfileHost && !f.Through && !f.Untried && f.Excuse == "" && t.excuse != nil {
		f.Excuse = t.excuse(&g.scene)
	}
	g.report.Findings = append(g.report.Findings, f)
}

// has tells whether the kernel has what hardens the profile.
func (g *escapeGateway) has(hardening string) bool {
	if hardening == hardeningTruncate {
		return g.runner.sandbox.landlock.Truncate
	}
	holds := g.runner.support(g.scene.Profile)
	return holds.has(hardening)
}

// hardeningTruncate is no feature of its own: before Landlock ABI 3 truncating a file is no right.
const hardeningTruncate = "truncate"

func (g *escapeGateway) harmed(format string, args ...any) {
	where := fmt.Sprintf("%s, %s, as %s: ", g.scene.Profile, g.scene.Way, g.scene.Who)
	g.report.Harm = append(g.report.Harm, where+fmt.Sprintf(format, args...))
}
