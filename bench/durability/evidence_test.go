package durability

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/trial"
)

// evidence is what there is in the end: what callers were told, what the journal says, which commands ran, which callbacks came, and what the audit knows.
type evidence struct {
	calls      []*call
	ran        map[string]int // how often, by call
	arrived    map[string]*arrivals
	jobs       map[string]journal.Job // by ID
	deliveries map[string][]journal.Delivery
	leaves     map[string][]audit.Leaf // by job; those of refusals by decision
	running    map[string]bool         // jobs that ran when a gateway was killed
	outputs    map[string]digests      // of jobs
	long       int                     // outputs that are in files
}

// digests are those of the two outputs of a job, in hexadecimal.
type digests struct{ Stdout, Stderr string }

// interruption is what the callback of an interrupted job says.
const interruption = "the gateway ended while the command ran"

// problems holds all of it against each other.
func (e *evidence) problems() []string {
	p := problems{}
	byCall := map[string][]journal.Job{}
	for id, job := range e.jobs {
		name := ""
		if found := marker.FindStringSubmatch(job.Command); found != nil {
			name = found[1]
		}
		byCall[name] = append(byCall[name], job)
		e.job(&p, id, name, job)
	}
	for name, times := range e.ran {
		p.note(times > 1, "%s ran %d times", name, times)
		jobs := byCall[name]
		p.note(len(jobs) != 1 || jobs[0].StartedAt.IsZero(), "%s ran, and the journal has of it %v", name, states(jobs))
	}
	known := map[string]bool{}
	for _, c := range e.calls {
		known[c.id] = true
		e.call(&p, c, byCall[c.id])
	}
	for name := range byCall {
		p.note(!known[name], "a job in the journal is of no call: %q", name)
	}
	slices.Sort(p)
	return p
}

type problems []string

func (p *problems) note(wrong bool, format string, args ...any) {
	if wrong {
		*p = append(*p, fmt.Sprintf(format, args...))
	}
}

// call holds what a caller was told against the rest.
func (e *evidence) call(p *problems, c *call, jobs []journal.Job) {
	p.note(len(jobs) > 1, "%s became %d jobs", c.id, len(jobs))
	promised := c.jobs()
	p.note(len(promised) > 1, "%s was accepted %d times", c.id, len(promised))
	for _, id := range promised {
		_, known := e.jobs[id]
		p.note(!known, "%s was acknowledged as job %s, which is lost", c.id, id)
	}
	p.note(c.refused() && (len(jobs) > 0 || e.ran[c.id] > 0),
		"%s was refused (%v), ran %d times, and has %v", c.id, c.told(), e.ran[c.id], states(jobs))
	p.note(c.denied && (len(jobs) > 0 || e.ran[c.id] > 0), "%s is denied, ran %d times, and has %v", c.id, e.ran[c.id], states(jobs))
	for _, a := range c.answers {
		switch a.Status {
		case http.StatusOK:
			job := e.jobs[acknowledged(a)]
			p.note(c.order.Wait && (a.Data.Status != string(job.Status) || a.Data.ExitCode != job.ExitCode),
				"the caller of %s was told %s with %d, and the journal says %s with %d", c.id, a.Data.Status, a.Data.ExitCode, job.Status, job.ExitCode)
		case http.StatusForbidden:
			of := e.leaves[a.DecisionID]
			p.note(!c.denied || len(of) != 1 || of[0].Type != audit.Denied, "%s was denied, which the audit does not know: %v", c.id, types(of))
		case http.StatusConflict:
			// Another copy was taken before: as a job, or to be refused. Of two at once the other may have been lost on its way.
			p.note(c.sent < 2 || len(jobs) != 1 && !c.turnedAway() && !(c.twice && c.lost > 0),
				"%s was said to be repeated; %d copies were sent, %d without an answer, to the others %v, and the journal has of it %v",
				c.id, c.sent, c.lost, c.told(), states(jobs))
		case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusInsufficientStorage:
		case http.StatusInternalServerError:
			p.note(a.Reason != "outcome_not_recorded" || len(jobs) != 1,
				"%s was answered %s %s, and the journal has of it %v", c.id, a.Reason, a.Message, states(jobs))
		default:
			p.note(true, "%s was answered %d %s", c.id, a.Status, a.Message)
		}
	}
}

// turnedAway tells whether a copy of the call was, or may have been, refused for another reason than that there was one before.
func (c *call) turnedAway() bool {
	return c.denied || slices.ContainsFunc(c.answers, func(a *trial.Answer) bool { return acknowledged(a) == "" && a.Status != http.StatusConflict })
}

// told is what a call was answered.
func (c *call) told() (all []string) {
	for _, a := range c.answers {
		all = append(all, fmt.Sprintf("%d %s", a.Status, a.Reason))
	}
	return all
}

// job holds a job against the rest.
func (e *evidence) job(p *problems, id, name string, job journal.Job) {
	p.note(!job.Status.Final(), "job %s (%s) is still %s", id, name, job.Status)
	switch job.Status {
	case journal.Exited, journal.Signaled, journal.TimedOut:
		p.note(e.ran[name] != 1, "job %s (%s) %s, and ran %d times", id, name, job.Status, e.ran[name])
	}
	p.note(e.running[id] != (job.Status == journal.Interrupted),
		"job %s (%s) is %s; that it ran when a gateway was killed is %v", id, name, job.Status, e.running[id])
	e.delivery(p, id, name, job)

	count := map[audit.Type]int{}
	for _, l := range e.leaves[id] {
		count[l.Type]++
		if l.Type == audit.Ended {
			p.note(l.Status != string(job.Status), "job %s (%s) is %s, and the audit says %s", id, name, job.Status, l.Status)
			p.note(l.Stdout.SHA256 != e.outputs[id].Stdout || l.Stderr.SHA256 != e.outputs[id].Stderr,
				"the output of job %s (%s) is not the one that the audit tells of", id, name)
		}
	}
	started := 1
	if job.StartedAt.IsZero() {
		started = 0
	}
	p.note(count[audit.Admitted] != 1 || count[audit.Started] != started || count[audit.Ended] != 1,
		"job %s (%s) is %s and has these leaves: %v", id, name, job.Status, count)
}

// delivery holds the callback of a job against the rest.
func (e *evidence) delivery(p *problems, id, name string, job journal.Job) {
	stored, came := e.deliveries[id], e.arrived[name]
	if job.Callback == "" {
		p.note(len(stored) > 0 || came != nil, "job %s (%s) has no callback, and the journal has %d", id, name, len(stored))
		return
	}
	if len(stored) != 1 || stored[0].State != journal.Delivered || came == nil || came.taken == 0 {
		p.note(true, "the callback of job %s (%s) was not delivered: %+v, %+v", id, name, stored, came)
		return
	}
	p.note(len(came.deliveries) != 1 || came.deliveries[stored[0].ID] == 0,
		"the callback of job %s (%s) is %s, and came as %v", id, name, stored[0].ID, came.deliveries)
	p.note(len(came.bodies) != 1, "the callback of job %s (%s) came with %d bodies", id, name, len(came.bodies))
	for _, said := range came.bodies {
		p.note(strings.Contains(said, interruption) != (job.Status == journal.Interrupted),
			"job %s (%s) is %s, and its callback says %.80q", id, name, job.Status, said)
	}
	delivered := 0
	for _, l := range e.leaves[id] {
		if l.Type == audit.Callback && l.Status == string(journal.Delivered) {
			delivered++
		}
	}
	p.note(delivered != 1, "the audit says %d times that the callback of job %s (%s) was delivered", delivered, id, name)
}

func states(jobs []journal.Job) (all []string) {
	for _, j := range jobs {
		all = append(all, string(j.Status))
	}
	return all
}

func types(leaves []audit.Leaf) (all []audit.Type) {
	for _, l := range leaves {
		all = append(all, l.Type)
	}
	return all
}

// summary is how many jobs ended how.
func (e *evidence) summary() string {
	count := map[journal.Status]int{}
	for _, job := range e.jobs {
		count[job.Status]++
	}
	lost, attempts := 0, 0
	for _, c := range e.calls {
		lost += c.lost
	}
	for _, a := range e.arrived {
		attempts += a.attempts
	}
	text := fmt.Sprintf("%d calls, %d answers lost, %d jobs:", len(e.calls), lost, len(e.jobs))
	for _, status := range slices.Sorted(maps.Keys(count)) {
		text += fmt.Sprintf(" %d %s,", count[status], status)
	}
	return text + fmt.Sprintf(" %d callbacks in %d attempts", len(e.arrived), attempts)
}
