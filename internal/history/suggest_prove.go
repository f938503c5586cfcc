package history

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/policy/authoring"
)

// prove asks the candidate about everything that is known. It takes out what is not allowed after all, and what would let through something else.
func (s *suggestion) prove(ctx context.Context, candidate Policies) (again bool, err error) {
	covered := map[[sha256.Size]byte]bool{}
	s.Covered = 0
	for _, w := range s.live() {
		if w.after, err = answerOf(ctx, candidate, w.Newest); err != nil {
			return false, err
		}
		if !w.after.Allow {
			s.refuse(w, strings.Join(w.after.Reasons, "; "))
			again = true
			continue
		}
		covered[w.Newest.Alike(false)] = true
		s.Covered += w.Count
	}
	if again {
		return true, nil
	}
	s.Denials = 0
	for _, a := range s.others {
		if covered[a.Newest.Alike(false)] {
			continue
		}
		s.Denials += a.Count
		turned, after, err := s.turns(ctx, candidate, a)
		if err != nil {
			return false, err
		}
		if turned {
			s.blame(a, after)
			again = true
		}
	}
	return again, nil
}

// turns tells whether a request that was denied, and still is, would be allowed by the candidate, and what that says.
func (s *suggestion) turns(ctx context.Context, candidate Policies, a Request) (turned bool, after Answer, err error) {
	if len(a.Unknown) > 0 { // without what is not known, nothing is asked that could be refused
		a.Newest.Env, a.Newest.Callback = nil, nil
	}
	before, err := answerOf(ctx, s.configured, a.Newest)
	if err != nil {
		return false, after, err
	}
	after, err = answerOf(ctx, candidate, a.Newest)
	return !before.Allow && after.Allow, after, err
}

// blame takes out what has a command in common with a request that must stay denied; without such, all of the client.
func (s *suggestion) blame(a Request, after Answer) {
	names := map[string]bool{}
	for _, c := range after.Input.Shell.Commands {
		names[seenOf(c).Name] = true
	}
	var guilty, ours []*want
	for _, w := range s.live() {
		if w.Newest.Principal.Client != a.Newest.Principal.Client {
			continue
		}
		ours = append(ours, w)
		if slices.ContainsFunc(w.before.Input.Shell.Commands, func(c policy.Command) bool { return names[seenOf(c).Name] }) {
			guilty = append(guilty, w)
		}
	}
	if len(guilty) == 0 {
		guilty = ours
	}
	for _, w := range guilty {
		s.refuse(w, "to allow it would allow what was denied too: "+a.Newest.Command+strings.Join(a.Newest.Argv, " "))
	}
}

// test writes a test for each grant, runs them, and checks the policies as `policy check` does.
func (s *suggestion) test(ctx context.Context, paths []string, roles map[string][]authoring.Role) error {
	cases := s.cases(roles)
	name := authoring.NameOf(s.Role + " suggested")
	about := []string{"What sidegate policy suggest wrote roles for, with the inputs of requests that were made."}
	content, err := authoring.Tests(ctx, paths, name, about, cases, s.Builtins)
	if err != nil {
		return err
	}
	if err := s.file(filepath.Join("sidegate", name+"_test.rego"), content); err != nil {
		return err
	}
	report, err := authoring.Test(ctx, paths, authoring.TestOptions{
		Run: `^data\.sidegate\.` + regexp.QuoteMeta(name) + `_test\.`, Parallel: 1, AllowBuiltins: s.Builtins,
	})
	if err != nil {
		return err
	}
	for _, r := range report.Tests {
		if r.Outcome != authoring.Pass {
			return fmt.Errorf("the test %s of the suggestion does not pass, so nothing is written: %s", r.Name, r.Error)
		}
	}
	if s.Tests = len(report.Tests); s.Tests != len(cases) {
		return fmt.Errorf("%d tests of the suggestion were run, and there are %d, so nothing is written", s.Tests, len(cases))
	}
	problems, err := authoring.Check(ctx, paths, authoring.CheckOptions{AllowBuiltins: s.Builtins})
	if err == nil && len(problems) > 0 {
		err = fmt.Errorf("with the suggestion, the policies have problems, so nothing is written: %v", problems[0])
	}
	return err
}

// cases are the tests: of each grant the shortest request that it covers, and of each client the shortest of all.
func (s *suggestion) cases(roles map[string][]authoring.Role) (cases []authoring.Case) {
	for _, client := range slices.Sorted(maps.Keys(roles)) {
		for _, role := range roles[client] {
			for _, name := range slices.Sorted(maps.Keys(role.Commands)) {
				if w := s.shortest(client, role.Name+"."+name); w != nil {
					cases = append(cases, authoring.Case{
						Name: role.Name + " " + name, About: []string{fmt.Sprintf("Grant %s.%s, on a request of client %s.", role.Name, name, client)},
						Input: w.after.Input, Keys: []string{"allow", "grants"},
					})
				}
			}
		}
		if w := s.shortest(client, ""); w != nil {
			cases = append(cases, authoring.Case{
				Name: client + " shortest", About: []string{fmt.Sprintf("The shortest request of client %s that became allowed.", client)},
				Input: w.after.Input, Keys: []string{"allow"},
			})
		}
	}
	return cases
}

// shortest is the shortest request of a client that a grant covers, or any.
func (s *suggestion) shortest(client, grant string) (found *want) {
	for _, w := range s.live() {
		if w.Newest.Principal.Client != client || grant != "" && !slices.Contains(w.after.Grants, grant) {
			continue
		}
		if found == nil || w.shorter(found.Request) < 0 {
			found = w
		}
	}
	return found
}
