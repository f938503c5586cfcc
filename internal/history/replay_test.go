package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/policy"
)

// replayPolicy allows what its rules say, and nothing else.
func replayPolicy(t *testing.T, rules string) Policies {
	t.Helper()
	c := config.Default()
	c.Executor.Allow.Profiles = []string{"confined", "host"}
	c.Policy.Mode, c.Policy.ObserveUntil = "observe", time.Now().Add(time.Hour) // must not count
	c.Policy.ObserveObligations = map[string]any{"timeout": "1s"}
	return loaded(t, c, policyDir(t, `package sidegate

default decision := {"allow": false, "grants": [], "reasons": ["not for you"], "obligations": {}}

name := input.shell.commands[0].name

`+rules))
}

// asking makes an audited request.
func asking(command, verdict string, change func(*Request)) Request {
	a := Request{Newest: gateway.Request{
		ID: "id of " + command, Time: epoch, Principal: auth.Principal{Client: "func", Scheme: "func", Roles: []string{"r"}}, Order: gateway.Order{Command: command},
	}, Recorded: Recorded{Verdict: verdict}, Count: 1, Stored: true}
	switch verdict {
	case Allowed:
		a.Recorded.Grants = []string{"g"}
	default:
		a.Recorded.Reasons = []string{"not for you"}
	}
	if change != nil {
		change(&a)
	}
	return a
}

const (
	allowTrue = `decision := {"allow": true, "grants": ["g"], "reasons": [], "obligations": {}} if name == "true"` + "\n"
	allowList = `decision := {"allow": true, "grants": ["g"], "reasons": [], "obligations": {"timeout": "5s", "network": "none"}} if name in {"ls", "id"}` + "\n"
)

func replayed(t *testing.T, configured, candidate string, asked ...Request) *Report {
	t.Helper()
	report, err := Replay(t.Context(), replayPolicy(t, configured), replayPolicy(t, candidate), Requests{Distinct: asked}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// changes is a part of a report in short.
func changes(list []Change) string {
	texts := make([]string, len(list))
	for i, c := range list {
		texts[i] = fmt.Sprintf("%s %s %d/%d/%d %q", c.Client, c.Command, c.Events, c.Distinct, c.Observed, c.Example.Command)
		for _, w := range c.Weaker {
			texts[i] += " " + w.What
		}
	}
	return strings.Join(texts, ", ")
}

func lacks(r *Report) string {
	var texts []string
	for _, l := range r.Coverage.Lacks {
		texts = append(texts, fmt.Sprintf("%s %d %s", l.Reason, l.Events, strings.Join(l.What, "+")))
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

func TestReplay(t *testing.T) {
	t.Parallel()
	observed := func(a *Request) { a.Count = 3 }
	r := replayed(t, allowTrue+allowList, allowList+
		`decision := {"allow": true, "grants": ["h"], "reasons": [], "obligations": {}} if name == "rm"`+"\n"+
		`decision := {"allow": false, "grants": [], "reasons": ["never"], "obligations": {}} if name == "su"`+"\n",
		asking("true", Allowed, nil), asking("ls", Allowed, nil), asking("su", Denied, nil), asking("cp", Denied, nil),
		asking("rm -rf /srv/a", Denied, nil), asking("rm b", Observed, observed), asking("rm \x1b[31m\"'\xff"+strings.Repeat("x", 70_000), Denied, nil),
	)
	if got := changes(r.Allowed); got != `func rm 4/2/3 "rm b"` || r.Allowed[0].Before.Allow || !r.Allowed[0].After.Allow || r.Allowed[0].After.Input.Request.Command != "rm b" {
		t.Errorf("deny → allow: %s", got)
	}
	if got := changes(r.Denied); got != `func true 1/1/0 "true"` {
		t.Errorf("allow → deny: %s", got)
	}
	if got := changes(r.Reworded); got != `func su 1/1/0 "su"` {
		t.Errorf("reasons: %s", got)
	}
	if r.Same != 3 || len(r.Weaker) != 0 || r.Coverage.Reproducible != 9 || len(r.Coverage.Lacks) > 0 {
		t.Errorf("%d same, weaker %s, %+v", r.Same, changes(r.Weaker), r.Coverage)
	}

	r = replayed(t, allowList, strings.NewReplacer("none", "full", "5s", "9s", `["g"]`, `["h"]`).Replace(allowList), asking("ls", Allowed, nil), asking("id", Allowed, nil))
	if got := changes(r.Weaker); got != `func id 1/1/0 "id" network timeout, func ls 1/1/0 "ls" network timeout` {
		t.Errorf("weaker: %s", got)
	}
	r = replayed(t, allowList, strings.NewReplacer(`["g"]`, `["h"]`, "5s", "1s").Replace(allowList), asking("ls", Allowed, nil))
	if changes(r.Reworded) == "" || len(r.Weaker)+len(r.Denied)+len(r.Allowed) > 0 {
		t.Errorf("grants: %+v", r)
	}
}

// What cannot be had again says nothing of the candidate, and why.
func TestReplayNotReproducible(t *testing.T) {
	t.Parallel()
	clock := `decision := {"allow": true, "grants": ["g"], "reasons": [], "obligations": {}} if {` + "\n\tname == \"date\"\n\ttime.now_ns() > 0\n}\n"
	for name, c := range map[string]struct {
		configured, candidate string
		asked                 Request
		want                  string
		allowed               int
	}{
		"values":                    {allowTrue, allowTrue + allowList, asking("ls", Denied, func(a *Request) { a.Unknown = []string{"the value of A"} }), "values 1 the value of A", 0},
		"client":                    {allowTrue, allowTrue + allowList, asking("ls", Denied, func(a *Request) { a.Stranger = true }), "client 1 func", 0},
		"revision":                  {allowTrue, allowTrue + allowList, asking("ls", Allowed, func(a *Request) { a.Recorded.Revision = "old" }), "revision 1 old", 0},
		"audit only":                {allowTrue, allowTrue + allowList, asking("ls", Denied, func(a *Request) { a.Stored, a.Recorded.Reasons = false, []string{"other"} }), "incomplete 1 ", 0},
		"host":                      {allowTrue, allowTrue + allowList, asking("ls", Allowed, nil), "host 1 ", 0},
		"grants":                    {allowList, allowList, asking("ls", Allowed, func(a *Request) { a.Recorded.Grants = []string{"x"} }), "host 1 ", 0},
		"old revision, same answer": {allowTrue, allowTrue, asking("ls", Denied, func(a *Request) { a.Recorded.Revision = "old" }), "", 0},
		"clock":                     {clock, allowTrue, asking("date", Denied, nil), "undetermined 1 time.now_ns", 0},
		"clock turns":               {allowTrue, clock, asking("date", Denied, nil), "candidate_undetermined 1 time.now_ns", 1},
		"clock same":                {clock, clock, asking("date", Allowed, nil), "candidate_undetermined 1 time.now_ns", 0},
		"clock not asked":           {allowList, clock + allowList, asking("ls", Allowed, nil), "", 0},
	} {
		r := replayed(t, c.configured, c.candidate, c.asked)
		if got := lacks(r); got != c.want || len(r.Allowed) != c.allowed || (c.want == "") != (r.Coverage.Reproducible == 1) {
			t.Errorf("%s: %q, %+v", name, got, r)
		}
		for _, l := range r.Coverage.Lacks {
			if l.Text == "" || l.Example.Command == "" {
				t.Errorf("%s: %+v", name, l)
			}
		}
	}
}

// The time of the event is the time of the request.
func TestReplayTime(t *testing.T) {
	t.Parallel()
	rule := `decision := {"allow": true, "grants": ["g"], "reasons": [], "obligations": {}} if startswith(input.request.time, "2026-03-01T")` + "\n"
	r := replayed(t, rule, "", asking("ls", Allowed, nil), asking("id", Denied, func(a *Request) { a.Newest.Time = epoch.AddDate(1, 0, 0) }))
	if len(r.Denied) != 1 || r.Same != 1 {
		t.Errorf("%+v", r)
	}
}

// What the configuration refuses is refused under both policies, in the words that the caller got.
func TestReplayCeilings(t *testing.T) {
	t.Parallel()
	user := `decision := {"allow": true, "grants": ["g"], "reasons": [], "obligations": {"run_as": "root"}} if name == "ls"` + "\n"
	refused := asking("ls", Denied, func(a *Request) {
		a.Recorded.Reasons = []string{`the policy asks for user "root", whom executor.allow.run_as does not list`}
	})
	if r := replayed(t, user, allowList, refused); len(r.Allowed) != 1 {
		t.Errorf("%+v", r)
	}
	if r := replayed(t, user, user, refused); r.Same != 1 {
		t.Errorf("%+v", r)
	}
	if r := replayed(t, allowList, user, asking("ls", Allowed, nil)); len(r.Denied) != 1 || len(r.Denied[0].After.Reasons) != 1 {
		t.Errorf("%+v", r)
	}
}

// stopping are policies that somebody stops asking in the middle of an answer.
type stopping struct {
	Policies
	stop context.CancelFunc
}

func (s stopping) Again(ctx context.Context, req gateway.Request) (policy.Input, gateway.Outcome, error) {
	s.stop()
	return s.Policies.Again(ctx, req)
}

// What was cut short is no answer, although the policy then seems to deny.
func TestReplayStops(t *testing.T) {
	t.Parallel()
	ls, other := asking("ls", Denied, nil), replayPolicy(t, allowTrue)
	for _, asked := range []Requests{{Distinct: []Request{ls}}, {Distinct: []Request{ls, ls}}} {
		ctx, cancel := context.WithCancel(t.Context())
		if r, err := Replay(ctx, other, stopping{other, cancel}, asked, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%+v, %v", r, err)
		}
	}
}
