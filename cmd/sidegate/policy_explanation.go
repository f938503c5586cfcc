package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sidegate/sidegate/internal/daemon"
	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/policy/authoring"
)

// explanation is the answer in the form that is printed.
type explanation struct {
	Command  string             `json:"command"`
	Allowed  bool               `json:"allowed"`  // by the policy and by the configuration
	Observed bool               `json:"observed"` // denied by the policy; observe mode runs it all the same
	Observes *time.Time         `json:"observe_until"`
	Class    string             `json:"class"`
	Features []string           `json:"features"`
	Source   string             `json:"source"` // of grants and reasons: explanation, or decision where the policy has no explanation
	Commands []explainedCommand `json:"commands"`
	Reasons  []string           `json:"reasons"` // that are not about one command
	Places   []authoring.Place  `json:"places"`  // of the data that they name
	Refused  []string           `json:"refused"` // why the configuration refuses what the policy allows
	Notes    []string           `json:"notes"`
	Decision policy.Decision    `json:"decision"`
	Run      *explainedRun      `json:"run"` // null when nothing would run
	Input    policy.Input       `json:"input"`
}

// explainedCommand is one thing that the call would run.
type explainedCommand struct {
	ID      int               `json:"id"`
	Parent  int               `json:"parent"`
	Kind    string            `json:"kind"`
	Text    string            `json:"text"`
	Program string            `json:"program"` // "" when the host has none, or when that is not known
	Facts   []string          `json:"facts"`
	Grants  []string          `json:"grants"` // that cover it
	Reasons []string          `json:"reasons"`
	Places  []authoring.Place `json:"places"` // of the data that the reasons name
}

// Where grants and reasons come from.
const (
	fromExplanation = "explanation"
	fromDecision    = "decision"
)

func newExplanation(answer daemon.Explanation, asked *gate) *explanation {
	s := answer.Input.Shell
	e := &explanation{
		Command: answer.Input.Request.Command, Allowed: answer.Decision.Allow && len(answer.Refused) == 0, Observed: answer.Observed,
		Class: s.Class, Features: []string{}, Commands: []explainedCommand{}, Reasons: []string{}, Places: []authoring.Place{},
		Refused: append([]string{}, answer.Refused...), Notes: append([]string{}, asked.notes...),
		Decision: answer.Decision, Run: runOf(answer), Input: answer.Input,
	}
	if !asked.observes.IsZero() {
		e.Observes = &asked.observes
	}
	for feature := range s.Features {
		e.Features = append(e.Features, feature)
	}
	slices.Sort(e.Features)
	for _, c := range s.Commands {
		e.Commands = append(e.Commands, explainCommand(c))
	}
	if answer.Decision.Fault != "" {
		e.Notes = append(e.Notes, "the policy failed to answer: "+answer.Decision.Fault)
	}
	if answer.Imagined {
		e.Notes = append(e.Notes, fmt.Sprintf("%s is no directory on this host, so a gateway here refuses the call even where the policy allows it", answer.Input.Request.Workdir))
	}
	return e
}

// tell takes grants and reasons from the policy's own explanation; where there is none that can be used, the reasons of
// the decision stand for the request as a whole.
func (e *explanation) tell(told *authoring.Explanation, err error) {
	unusable := ""
	switch {
	case err != nil:
		unusable = "the policy's rule data.sidegate.explanation failed: " + err.Error()
	case told == nil:
		unusable = "the policy has no rule data.sidegate.explanation"
	case !e.fits(told):
		unusable = "the policy's rule data.sidegate.explanation says something else than its decision, which counts"
	}
	if unusable != "" {
		e.Source, e.Reasons = fromDecision, append(e.Reasons, e.Decision.Reasons...)
		e.Notes = append(e.Notes, unusable+"; grants and reasons are those of the decision as a whole")
		return
	}
	e.Source, e.Reasons = fromExplanation, append(e.Reasons, told.Request...)
	for i, c := range told.Commands {
		e.Commands[i].Grants = append(e.Commands[i].Grants, c.Grants...)
		e.Commands[i].Reasons = append(e.Commands[i].Reasons, c.Reasons...)
	}
}

// fits tells whether an explanation is one of this decision: of the same verdict and the same commands, and with a reason
// where there must be one.
func (e *explanation) fits(told *authoring.Explanation) bool {
	if told.Allow != e.Decision.Allow || len(told.Commands) != len(e.Commands) {
		return false
	}
	reasons := len(told.Request)
	for i, c := range told.Commands {
		if c.ID != e.Commands[i].ID {
			return false
		}
		reasons += len(c.Reasons)
	}
	return told.Allow == (reasons == 0)
}

// locate finds the files of the data that the reasons name.
func (e *explanation) locate(asked *gate) {
	if e.Decision.Allow {
		return
	}
	known := authoring.FindPlaces(asked.Paths())
	named := func(reasons []string) []authoring.Place {
		places := []authoring.Place{}
		for _, reason := range reasons {
			for _, place := range known.Named(reason) {
				place.File = asked.original(place.File)
				if !slices.Contains(places, place) {
					places = append(places, place)
				}
			}
		}
		return places
	}
	e.Places = named(e.Reasons)
	for i := range e.Commands {
		e.Commands[i].Places = named(e.Commands[i].Reasons)
	}
}

// original names the bundle that a file is a copy of.
func (g *gate) original(file string) string {
	for _, b := range g.Bundles() {
		if b.Path == file {
			return "bundle " + b.Name
		}
	}
	return file
}

func explainCommand(c policy.Command) explainedCommand {
	e := explainedCommand{ID: c.ID, Parent: c.Parent, Kind: c.Kind, Text: commandText(c), Facts: []string{}, Grants: []string{}, Reasons: []string{}, Places: []authoring.Place{}}
	if c.ResolvedPath != nil {
		e.Program = *c.ResolvedPath
	}
	if c.Kind != "simple" {
		e.Facts = append(e.Facts, c.Kind)
	}
	e.Facts = append(e.Facts, c.Context...)
	for _, wrapper := range c.Via {
		e.Facts = append(e.Facts, "run by "+wrapper)
	}
	if c.Opaque != nil {
		e.Facts = append(e.Facts, "opaque: "+*c.Opaque)
	}
	if !c.ArgsStatic && c.Opaque == nil {
		e.Facts = append(e.Facts, "not all words are known")
	}
	return e
}

// commandText is the command as it was written, with its assignments and redirects.
func commandText(c policy.Command) string {
	var words []string
	for _, a := range c.Assignments {
		words = append(words, a.Name+"="+a.Value.Raw)
	}
	for _, w := range c.Args {
		words = append(words, w.Raw)
	}
	for _, r := range c.Redirects {
		words = append(words, r.FD+r.Op+" "+r.Target.Raw)
	}
	if len(words) == 0 {
		words = []string{c.Name}
	}
	return strings.Join(words, " ")
}
