package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/policy/authoring"
)

// Example is one request of many, without the values of its variables and without its standard input.
type Example struct {
	ID      string    `json:"id"` // of the job; "" where there was none
	Time    time.Time `json:"time"`
	Client  string    `json:"client"`
	Roles   []string  `json:"roles"`
	Command string    `json:"command"` // "" where there is Argv
	Argv    []string  `json:"argv"`
	Workdir string    `json:"workdir"`
	Env     []string  `json:"env"` // names
}

// Change is what becomes of the requests of one client for one command.
type Change struct {
	Client   string                `json:"client"`
	Command  string                `json:"command"` // names of the programs
	Events   int64                 `json:"events"`
	Distinct int64                 `json:"distinct"`
	Observed int64                 `json:"observed"` // events that ran all the same, in observe mode
	Weaker   []authoring.Weakening `json:"weaker"`   // of the example
	Before   Answer                `json:"before"`   // of the configured policies, to the example
	After    Answer                `json:"after"`    // of the candidate, to the example
	Example  Example               `json:"example"`  // the shortest

	shortest Request
}

// change adds a request to the changes of its client and command; the shortest is the example.
func change(list *[]Change, a Request, before, after Answer, weaker []authoring.Weakening) {
	client, command := a.Newest.Principal.Client, programsOf(after.Input)
	i := slices.IndexFunc(*list, func(c Change) bool { return c.Client == client && c.Command == command })
	if i < 0 {
		i = len(*list)
		*list = append(*list, Change{Client: client, Command: command})
	}
	c := &(*list)[i]
	c.Events += a.Count
	if c.Distinct++; c.Distinct == 1 || a.shorter(c.shortest) < 0 {
		c.Before, c.After, c.Weaker, c.Example, c.shortest = before, after, slices.Concat([]authoring.Weakening{}, weaker), exampleOf(a), a
	}
	if a.Recorded.Verdict == Observed {
		c.Observed += a.Count
	}
}

// programsOf names what a request would run, each once.
func programsOf(in policy.Input) string {
	names := map[string]bool{}
	for _, c := range in.Shell.Commands {
		switch {
		case c.Name != "":
			names[c.Name] = true
		case c.Kind == "simple" && !c.NameStatic:
			names["(not known)"] = true
		default:
			names[fmt.Sprintf("(%s)", c.Kind)] = true
		}
	}
	if len(names) == 0 {
		return "(none)"
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}

// exampleOf is what is shown of a request.
func exampleOf(a Request) Example {
	r := a.Newest
	e := Example{
		ID: r.ID, Time: r.Time.UTC(), Client: r.Principal.Client, Roles: append([]string{}, r.Principal.Roles...), Command: r.Command,
		Argv: append([]string{}, r.Argv...), Workdir: r.Workdir, Env: []string{},
	}
	for _, v := range r.Env {
		e.Env = append(e.Env, v.Key)
	}
	return e
}
