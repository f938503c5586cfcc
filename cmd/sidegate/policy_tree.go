package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/daemon"
	"github.com/sidegate/sidegate/policy/authoring"
)

// explainedRun is how a command would run: what the decision and the configuration make of each other.
type explainedRun struct {
	Mode      string        `json:"mode"`
	Argv      []string      `json:"argv"`
	Profile   string        `json:"profile"`
	User      string        `json:"user"` // "" is the gateway's own
	Workdir   string        `json:"workdir"`
	Timeout   time.Duration `json:"timeout_ns"`
	MaxOutput int64         `json:"max_output"` // bytes of each stream
	Network   string        `json:"network"`
	Read      []string      `json:"read"`
	Write     []string      `json:"write"`
	Env       []string      `json:"env"`
}

func runOf(answer daemon.Explanation) *explainedRun {
	job := answer.Job
	if job == nil {
		return nil
	}
	roots := executor.Filesystem{}
	if job.Filesystem != nil {
		roots = *job.Filesystem
	}
	return &explainedRun{
		Mode: cmp.Or(answer.Decision.Obligations.Mode, "direct"), Argv: job.Argv, Profile: string(job.Profile), User: job.User,
		Workdir: job.Workdir, Timeout: job.Timeout, MaxOutput: job.MaxOutput, Network: string(job.Network),
		Read: append([]string{}, roots.Read...), Write: append([]string{}, roots.Write...), Env: job.Env,
	}
}

// print writes the tree of commands, then the decision.
func (e *explanation) print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", plain(e.Command))
	about := fmt.Sprintf("%s, %s", e.Class, count(len(e.Commands), "command"))
	if len(e.Features) > 0 {
		about += ", with " + strings.Join(e.Features, ", ")
	}
	fmt.Fprintf(&b, "%s\n", colour(w, faint, about))
	width := 0
	for _, c := range e.Commands {
		width = max(width, utf8.RuneCountInString(plain(c.Text)))
	}
	e.branch(&b, w, -1, "", min(width, 60))
	for _, note := range e.Notes {
		fmt.Fprintf(&b, "%s %s\n", colour(w, yellow, "note:"), plain(note))
	}
	b.WriteString("\n")
	e.verdict(&b, w)
	_, err := io.WriteString(w, b.String())
	return err
}

// branch writes the commands below a parent, each after the lines that lead to it.
func (e *explanation) branch(b *strings.Builder, w io.Writer, parent int, lead string, width int) {
	var below []explainedCommand
	for _, c := range e.Commands {
		if c.Parent == parent {
			below = append(below, c)
		}
	}
	for i, c := range below {
		turn, next := "├─ ", "│  "
		if i == len(below)-1 {
			turn, next = "└─ ", "   "
		}
		text := plain(c.Text)
		padding := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
		fmt.Fprintf(b, "%s%s %d  %s%s  %s\n", lead+turn, e.mark(w, c), c.ID, text, padding, e.standing(w, c))
		under := lead + next + "     "
		if slices.ContainsFunc(e.Commands, func(child explainedCommand) bool { return child.Parent == c.ID }) {
			under = lead + next + "│    "
		}
		if facts := c.facts(); facts != "" {
			fmt.Fprintf(b, "%s%s\n", under, colour(w, faint, facts))
		}
		for _, reason := range c.Reasons {
			fmt.Fprintf(b, "%s%s\n", under, plain(reason))
		}
		printPlaces(b, w, under, c.Places)
		e.branch(b, w, c.ID, lead+next, width)
	}
}

func (c explainedCommand) facts() string {
	return plain(strings.Join(slices.DeleteFunc(append([]string{c.Program}, c.Facts...), func(s string) bool { return s == "" }), ", "))
}

// mark is a command's sign: what is said against it, what covers it, or neither.
func (e *explanation) mark(w io.Writer, c explainedCommand) string {
	switch {
	case len(c.Reasons) > 0:
		return colour(w, red, "✗")
	case len(c.Grants) > 0 || e.Decision.Allow:
		return colour(w, green, "✓")
	}
	return colour(w, yellow, "·")
}

func (e *explanation) standing(w io.Writer, c explainedCommand) string {
	switch {
	case len(c.Grants) > 0:
		return colour(w, green, plain(strings.Join(c.Grants, ", ")))
	case len(c.Reasons) > 0:
		return colour(w, red, "not covered")
	case e.Decision.Allow:
		return ""
	}
	return "no grant, and no reason of its own"
}

// printPlaces writes where the data is that reasons name.
func printPlaces(b *strings.Builder, w io.Writer, lead string, places []authoring.Place) {
	for _, p := range places {
		where := p.File
		if p.Line > 0 {
			where += fmt.Sprintf(":%d", p.Line)
		}
		fmt.Fprintf(b, "%s%s\n", lead, colour(w, faint, plain(fmt.Sprintf("%s is in %s", p.Key, where))))
	}
}

func (e *explanation) verdict(b *strings.Builder, w io.Writer) {
	switch {
	case e.Decision.Allow && len(e.Refused) == 0:
		fmt.Fprintf(b, "%s by %s\n", colour(w, green, "allowed"), cmp.Or(plain(strings.Join(e.Decision.Grants, ", ")), "no grant by name"))
	case e.Decision.Allow:
		e.refusal(b, colour(w, red, "denied")+" by the configuration, which the policy cannot exceed")
	default:
		fmt.Fprintf(b, "%s\n", colour(w, red, "denied"))
		for _, reason := range e.Reasons {
			fmt.Fprintf(b, "  %s\n", plain(reason))
		}
		printPlaces(b, w, "  ", e.Places)
		e.observation(b, w)
	}
	if e.Run != nil {
		e.Run.print(b)
	}
}

// observation says what observe mode makes of a denial.
func (e *explanation) observation(b *strings.Builder, w io.Writer) {
	switch {
	case e.Observed:
		fmt.Fprintf(b, "%s until %s, as the gateway observes:\n", colour(w, yellow, "it runs all the same"), e.Observes.UTC().Format(time.RFC3339))
	case e.Observes == nil || !time.Now().Before(*e.Observes):
	case len(e.Refused) > 0:
		e.refusal(b, "observe mode does not run it, by the configuration")
	default:
		b.WriteString("observe mode does not run it: it runs only what could be analyzed whole and what a working policy denies\n")
	}
}

// refusal lists what the configuration has against a call.
func (e *explanation) refusal(b *strings.Builder, headline string) {
	fmt.Fprintf(b, "%s\n", headline)
	for _, reason := range e.Refused {
		fmt.Fprintf(b, "  %s\n", plain(reason))
	}
}

func (r *explainedRun) print(b *strings.Builder) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"mode", r.Mode},
		{"profile", r.Profile},
		{"user", cmp.Or(r.User, "the gateway's own")},
		{"workdir", cmp.Or(r.Workdir, "a private empty directory")},
		{"timeout", r.Timeout.String()},
		{"output", humanize.IBytes(uint64(r.MaxOutput)) + " of each stream"},
		{"network", cmp.Or(r.Network, "as configured")},
		{"read", cmp.Or(strings.Join(r.Read, " "), "the runtime set only")},
		{"write", cmp.Or(strings.Join(r.Write, " "), "nothing")},
		{"env", strings.Join(r.Env, " ")},
	} {
		fmt.Fprintf(t, "  %s\t%s\n", row[0], plain(row[1]))
	}
	_ = t.Flush() // into a strings.Builder
}

// plain keeps what a command line or a policy says from steering the terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

const faint = "2"
