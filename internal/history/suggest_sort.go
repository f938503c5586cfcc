package history

import (
	"context"
	"fmt"
	"strings"

	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/policy/authoring"
)

// sort tells what is wanted from what has to stay denied.
func (s *suggestion) sort(ctx context.Context, asked Requests) error {
	for _, a := range asked.Distinct {
		switch {
		case a.Recorded.Verdict == Observed, a.Recorded.Verdict == Denied && s.Denied:
			if err := s.consider(ctx, a); err != nil {
				return err
			}
		case a.Recorded.Verdict == Denied:
			s.others = append(s.others, a)
		}
	}
	return nil
}

// consider takes up a request that is to be allowed, unless it is allowed already, or nothing that is known of it can be proven.
func (s *suggestion) consider(ctx context.Context, a Request) (err error) {
	w := &want{Request: a}
	s.Wanted += a.Count
	switch {
	case a.Stranger:
		s.refuse(w, "the client is not in the configuration any more")
		return nil
	case len(a.Unknown) > 0:
		s.refuse(w, strings.Join(a.Unknown, ", ")+" is not known: no stored job has it")
		return nil
	}
	if w.before, err = answerOf(ctx, s.configured, a.Newest); err != nil {
		return err
	}
	if _, err := w.before.Input.MarshalJSON(); err != nil {
		s.refuse(w, "something in it is not UTF-8")
		return nil
	}
	switch d := w.before.Decision; {
	case w.before.Allow:
		s.Already += a.Count
		s.Wanted -= a.Count
	case d.Allow:
		s.refuse(w, "the policy allows it, and the configuration does not: "+strings.Join(w.before.Reasons, "; "))
	case d.Fault != "":
		s.refuse(w, strings.Join(d.Reasons, "; "))
	default:
		s.wanted = append(s.wanted, w)
	}
	return nil
}

// unused is an error where the policies have a role of the name already, or of one that is made of it.
func (s *suggestion) unused(ctx context.Context) error {
	names, err := authoring.RolesOf(ctx, s.Paths, s.Builtins)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == s.Role || strings.HasPrefix(name, s.Role+"-") {
			return fmt.Errorf("there is a role %s already, and a suggestion never changes one: choose another name with --role", name)
		}
	}
	return nil
}

// weigh asks the library what of each request is allowed already, and refuses what no role should be given.
func (s *suggestion) weigh(ctx context.Context) error {
	inputs := make([]policy.Input, len(s.wanted))
	for i, w := range s.wanted {
		inputs[i] = w.before.Input
	}
	standings, err := authoring.Standings(ctx, s.Paths, inputs, s.Builtins)
	if err != nil {
		return err
	}
	values := map[variable]map[string]bool{}
	for i, w := range s.wanted {
		w.standing = standings[i]
		for _, key := range w.standing.Env {
			v := variable{w.Newest.Principal.Client, key}
			if values[v] == nil {
				values[v] = map[string]bool{}
			}
			values[v][w.before.Input.Request.Env[key]] = true
		}
	}
	for _, w := range s.wanted {
		why := w.unsuitable()
		for _, key := range w.standing.Env {
			if n := len(values[variable{w.Newest.Principal.Client, key}]); n > authoring.MaxValues && !s.Generalize && why == "" {
				why = fmt.Sprintf("the variable %s has %d values: give it a type by hand, or see --generalize", key, n)
			}
		}
		if why != "" {
			s.refuse(w, why)
		}
	}
	return nil
}

// variable is one of a client's, of which a role lists no more than authoring.MaxValues values.
type variable struct{ client, key string }
