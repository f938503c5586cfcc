package executor

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// What the gateway takes down of its commands.

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
	if err == nil {
		told = g.told(b, res)
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

// told reads what a command wrote.
func (g *escapeGateway) told(b battery, res performance) map[string]finding {
	told := map[string]finding{}
	lines := bufio.NewScanner(strings.NewReader(res.out))
	for lines.Scan() {
		var f finding
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			g.harmed("%s: the command wrote %q", b.name, lines.Text())
		}
		told[f.Try] = f
	}
	if res.Status != StatusExited || res.ExitCode != 0 {
		g.harmed("%s: the command ended with %s, code %d: %s", b.name, res.Status, res.ExitCode, res.err)
	}
	return told
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
	switch hardening {
	case hardeningTruncate:
		return g.runner.sandbox.landlock.Truncate
	case hardeningMemory:
		return g.runner.sandbox.limits.Memory.Available
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
