package history

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/policy/authoring"
)

// The reasons for which a recorded answer cannot be had again, or says nothing of the candidate.
const (
	lackValues       = "values"
	lackClient       = "client"
	lackTimeout      = "timeout"
	lackUndetermined = "undetermined"
	lackCandidate    = "candidate_undetermined"
	lackRevision     = "revision"
	lackIncomplete   = "incomplete"
	lackHost         = "host"
)

var lackText = map[string]string{
	lackValues:       "values of variables, or the path of a callback, are not in the audit, and no stored job has them",
	lackClient:       "the client is not in the configuration any more",
	lackTimeout:      "the policy took too long to answer",
	lackUndetermined: "the configured policy calls what need not answer alike",
	lackCandidate:    "the candidate calls what need not answer alike",
	lackRevision:     "another revision of the policy decided, and the configured one answers otherwise",
	lackIncomplete:   "only the audit is left of the request, and what it does not tell may have counted",
	lackHost:         "a program, a directory, or the configuration is another one now",
}

// Lack counts the events that are not reproducible for one reason.
type Lack struct {
	Reason   string   `json:"reason"`
	Text     string   `json:"text"` // the reason in words
	Events   int64    `json:"events"`
	Distinct int64    `json:"distinct"`
	What     []string `json:"what"`    // the builtins, or what is not known
	Example  *Example `json:"example"` // the first
}

// Coverage says how much of the audit a replay stands for.
type Coverage struct {
	Leaves       int64  `json:"leaves"` // as of Requests
	Damaged      int64  `json:"damaged"`
	Events       int64  `json:"events"`
	LeftOut      int64  `json:"left_out"` // events beyond the limit
	Distinct     int64  `json:"distinct"`
	Reproducible int64  `json:"reproducible"` // events
	AuditOnly    int64  `json:"audit_only"`   // of these, without what only a stored job has
	Lacks        []Lack `json:"not_reproducible"`
}

// Report is what a candidate would change: those changes first that stand for most events, and each request in one of them at most.
type Report struct {
	Configured string   `json:"configured"` // revisions
	Candidate  string   `json:"candidate"`
	Coverage   Coverage `json:"coverage"`
	Allowed    []Change `json:"deny_to_allow"`
	Denied     []Change `json:"allow_to_deny"`
	Weaker     []Change `json:"weaker_obligations"`
	Reworded   []Change `json:"changed_reasons"` // or grants
	Same       int64    `json:"same"`            // events
}

// Replay asks the configured policy and then the candidate about requests that were made before. Who is denied by the configured policy with the recorded
// reasons, or allowed with the recorded grants, is reproducible; all others say nothing of the candidate, and are counted by the reason. done is told after
// each; nil tells nobody. The error is that of ctx, or policy.ErrNotLoaded.
func Replay(ctx context.Context, configured, candidate Policies, asked Requests, done func(n int)) (*Report, error) {
	r := &Report{Configured: configured.Revision(), Candidate: candidate.Revision(), Coverage: Coverage{
		Leaves: asked.Leaves, Damaged: asked.Damaged, Events: asked.Events, LeftOut: asked.LeftOut, Distinct: int64(len(asked.Distinct)), Lacks: []Lack{},
	}, Allowed: []Change{}, Denied: []Change{}, Weaker: []Change{}, Reworded: []Change{}}
	for i, a := range asked.Distinct {
		if err := r.replay(ctx, configured, candidate, a); err != nil {
			return nil, err
		}
		if done != nil {
			done(i + 1)
		}
	}
	for _, changes := range [][]Change{r.Allowed, r.Denied, r.Weaker, r.Reworded} {
		slices.SortFunc(changes, func(a, b Change) int {
			return cmp.Or(cmp.Compare(b.Events, a.Events), strings.Compare(a.Client, b.Client), strings.Compare(a.Command, b.Command))
		})
	}
	slices.SortFunc(r.Coverage.Lacks, func(a, b Lack) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), strings.Compare(a.Reason, b.Reason))
	})
	return r, nil
}

func (r *Report) replay(ctx context.Context, configured, candidate Policies, a Request) error {
	lack, what, before, err := reproduce(ctx, configured, a)
	if err != nil {
		return err
	}
	if lack != "" {
		r.lack(lack, what, a)
		return nil
	}
	after, err := answerOf(ctx, candidate, a.Newest)
	if err != nil {
		return err
	}
	turned := after.Allow && !before.Allow
	switch {
	case after.Decision.TimedOut:
		r.lack(lackTimeout, nil, a)
		return nil
	case len(after.Decision.Called) > 0:
		r.lack(lackCandidate, after.Decision.Called, a)
		if !turned { // what is let through is told whatever else is unsure
			return nil
		}
	default:
		r.Coverage.Reproducible += a.Count
		if !a.Stored {
			r.Coverage.AuditOnly += a.Count
		}
	}
	weaker := authoring.Weaker(before.Obligations, after.Obligations)
	switch {
	case turned:
		change(&r.Allowed, a, before, after, nil)
	case before.Allow && !after.Allow:
		change(&r.Denied, a, before, after, nil)
	case after.Allow && len(weaker) > 0:
		change(&r.Weaker, a, before, after, weaker)
	case !slices.Equal(before.Reasons, after.Reasons) || !slices.Equal(before.Grants, after.Grants):
		change(&r.Reworded, a, before, after, nil)
	default:
		r.Same += a.Count
	}
	return nil
}

// reproduce asks the configured policy for the recorded answer, and says why it is not to be had.
func reproduce(ctx context.Context, configured Policies, a Request) (lack string, what []string, before Answer, err error) {
	switch {
	case a.Stranger:
		return lackClient, []string{a.Newest.Principal.Client}, before, nil
	case len(a.Unknown) > 0:
		return lackValues, a.Unknown, before, nil
	}
	if before, err = answerOf(ctx, configured, a.Newest); err != nil {
		return "", nil, before, err
	}
	switch {
	case before.Decision.TimedOut:
		return lackTimeout, nil, before, nil
	case a.Recorded.is(before):
		return "", nil, before, nil
	case len(before.Decision.Called) > 0:
		return lackUndetermined, before.Decision.Called, before, nil
	case a.Recorded.Revision != "" && a.Recorded.Revision != before.Decision.Revision:
		return lackRevision, []string{a.Recorded.Revision}, before, nil
	case !a.Stored:
		return lackIncomplete, nil, before, nil
	}
	return lackHost, nil, before, nil
}

// is tells whether an answer is the recorded one.
func (r Recorded) is(a Answer) bool {
	switch r.Verdict {
	case Allowed:
		return a.Allow && slices.Equal(r.Grants, a.Grants)
	case Observed: // what the policy said, before any ceiling
		return !a.Decision.Allow && slices.Equal(r.Reasons, a.Decision.Reasons)
	}
	return !a.Allow && slices.Equal(r.Reasons, a.Reasons)
}

func (r *Report) lack(reason string, what []string, a Request) {
	i := slices.IndexFunc(r.Coverage.Lacks, func(l Lack) bool { return l.Reason == reason })
	if i < 0 {
		i = len(r.Coverage.Lacks)
		example := exampleOf(a)
		r.Coverage.Lacks = append(r.Coverage.Lacks, Lack{Reason: reason, Text: lackText[reason], What: []string{}, Example: &example})
	}
	l := &r.Coverage.Lacks[i]
	l.Events += a.Count
	l.Distinct++
	for _, name := range what {
		if !slices.Contains(l.What, name) && len(l.What) < maxNamed {
			l.What = append(l.What, name)
		}
	}
}

// maxNamed is how much is named of what keeps events from being reproducible.
const maxNamed = 20
