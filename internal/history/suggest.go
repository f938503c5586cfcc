package history

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// SuggestOptions says what roles are to be suggested for.
type SuggestOptions struct {
	Role       string // name of the roles, in front of the client's name where there are several clients
	Denied     bool   // for denied requests too, and not only for what ran in observe mode
	Generalize bool   // see authoring.Grow

	Paths    []string // files and directories that hold the configured policies
	Builtins []string // that they may call although policies by default may not
	// Dir is an empty directory. The suggestion is in it afterwards, to be laid over the policies.
	Dir string
	// Load loads policies at paths. Suggest calls unload once, after it has asked them for the last time.
	Load func(ctx context.Context, paths []string) (p Policies, unload func(), err error)
}

// Suggestion is what was written and proven.
type Suggestion struct {
	Files   []string            `json:"files"`   // below SuggestOptions.Dir
	Roles   map[string][]string `json:"roles"`   // that each client has to be given
	Grants  int                 `json:"grants"`  // of commands
	Tests   int                 `json:"tests"`   // that passed
	Wanted  int64               `json:"wanted"`  // events that are denied now and were asked about
	Covered int64               `json:"covered"` // of these, what would be allowed
	Already int64               `json:"already"` // events that the policy has come to allow since
	Denials int64               `json:"denials"` // events that were denied, are no part of it, and stay denied
	Refused []Uncovered         `json:"refused"` // the rest of what was wanted, with most events first
}

// Uncovered is what a suggestion does not cover, and why.
type Uncovered struct {
	Client   string  `json:"client"`
	Command  string  `json:"command"` // names of the programs
	Why      string  `json:"why"`
	Events   int64   `json:"events"`
	Distinct int64   `json:"distinct"`
	Example  Example `json:"example"` // the shortest

	shortest Request
}

// roleName is what roles are called, as directories too.
var roleName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// suggestion is one that is being made.
type suggestion struct {
	Suggestion
	SuggestOptions
	configured Policies
	wanted     []*want
	others     []Request // that were denied
}

// Suggest makes roles that allow what is denied now and was asked for, writes them and their tests below o.Dir, and proves them: everything counted as
// covered is allowed by the configured policies with the roles laid over them, no request that was denied is, unless it is the same as one that is covered,
// the policies pass `policy check`, and the tests pass. What cannot be proven is left out and told. With nothing left, there are no files.
// The error is that of ctx, of o.Load or of a file; authoring.ErrNoLibrary; or that o.Role is no name, or one that is taken. o.Dir may then hold some files.
func Suggest(ctx context.Context, configured Policies, asked Requests, o SuggestOptions) (*Suggestion, error) {
	s := &suggestion{SuggestOptions: o, configured: configured, Suggestion: Suggestion{Files: []string{}, Roles: map[string][]string{}, Refused: []Uncovered{}}}
	if !roleName.MatchString(o.Role) {
		return nil, fmt.Errorf("%q is no name of a role: it begins with a small letter, and has letters, digits, - and _", o.Role)
	}
	if err := s.sort(ctx, asked); err != nil {
		return nil, err
	}
	if err := s.unused(ctx); err != nil {
		return nil, err
	}
	if err := s.weigh(ctx); err != nil {
		return nil, err
	}
	for range maxRounds {
		if len(s.live()) == 0 {
			break
		}
		again, err := s.round(ctx)
		if err != nil {
			return nil, err
		}
		if !again {
			return s.told(), nil
		}
	}
	for _, w := range s.live() {
		s.refuse(w, "no suggestion with it could be proven")
	}
	s.Files, s.Grants, s.Tests, s.Covered, s.Roles = []string{}, 0, 0, 0, map[string][]string{}
	s.Denials = 0
	for _, a := range s.others { // nothing is allowed to anybody
		s.Denials += a.Count
	}
	return s.told(), empty(o.Dir)
}

// told is the outcome, with what is not covered in an order that depends on nothing else.
func (s *suggestion) told() *Suggestion {
	slices.SortFunc(s.Refused, func(a, b Uncovered) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), strings.Compare(a.Client, b.Client), strings.Compare(a.Command, b.Command), strings.Compare(a.Why, b.Why))
	})
	return &s.Suggestion
}

// maxRounds is how often a suggestion is made anew without what could not be proven.
const maxRounds = 12

// live are the requests that are not refused.
func (s *suggestion) live() (live []*want) {
	for _, w := range s.wanted {
		if !w.out {
			live = append(live, w)
		}
	}
	return live
}

// refuse takes a request out.
func (s *suggestion) refuse(w *want, why string) {
	w.out = true
	client, command := w.Newest.Principal.Client, "(not known)"
	if w.before.Input.Version != 0 {
		command = programsOf(w.before.Input)
	}
	i := slices.IndexFunc(s.Refused, func(u Uncovered) bool { return u.Client == client && u.Command == command && u.Why == why })
	if i < 0 {
		i = len(s.Refused)
		s.Refused = append(s.Refused, Uncovered{Client: client, Command: command, Why: why})
	}
	u := &s.Refused[i]
	u.Events += w.Count
	if u.Distinct++; u.Distinct == 1 || w.shorter(u.shortest) < 0 {
		u.shortest, u.Example = w.Request, exampleOf(w.Request)
	}
}

// round makes a suggestion of all that is left, and tries it. It is true where something had to be taken out, so that there has to be another.
func (s *suggestion) round(ctx context.Context) (again bool, err error) {
	roles := s.grow()
	if roles == nil {
		return true, nil
	}
	if err := s.write(roles); err != nil {
		return false, err
	}
	paths := append(slices.Clone(s.Paths), s.Dir)
	candidate, unload, err := s.Load(ctx, paths)
	if err != nil {
		return false, fmt.Errorf("the policies with the suggestion: %w", err)
	}
	defer unload()
	if again, err = s.prove(ctx, WithRoles(candidate, s.Roles)); again || err != nil {
		return again, err
	}
	return false, s.test(ctx, paths, roles)
}
