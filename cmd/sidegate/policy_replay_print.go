package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/sidegate/sidegate/internal/history"
	"github.com/sidegate/sidegate/internal/shell"
)

// replayPart is one kind of change.
type replayPart struct {
	name, title, colour string
	changes             []history.Change
	keys                []string                       // of the decision, for tests
	told                func(c *history.Change) string // what is said of a change
}

func replayParts(r *history.Report) []replayPart {
	return []replayPart{
		{"denied to allowed", "deny → allow", red, r.Allowed, []string{"allow", "grants"}, func(c *history.Change) string {
			return "by " + strings.Join(c.After.Grants, ", ") + "; was: " + strings.Join(c.Before.Reasons, "; ")
		}},
		{"allowed to denied", "allow → deny", yellow, r.Denied, []string{"allow", "reasons"}, func(c *history.Change) string { return strings.Join(c.After.Reasons, "; ") }},
		{"weaker", "weaker obligations", yellow, r.Weaker, []string{"allow", "obligations"}, func(c *history.Change) string {
			texts := make([]string, len(c.Weaker))
			for i, w := range c.Weaker {
				texts[i] = w.String()
			}
			return strings.Join(texts, "; ")
		}},
		{"changed", "changed reasons or grants", "", r.Reworded, []string{"allow", "grants", "reasons"}, func(c *history.Change) string {
			if c.After.Allow {
				return fmt.Sprintf("by %s instead of %s", strings.Join(c.After.Grants, ", "), strings.Join(c.Before.Grants, ", "))
			}
			return strings.Join(c.After.Reasons, "; ")
		}},
	}
}

// maxCellText bounds what a cell holds where it is not a terminal, which has its own bound.
const maxCellText = 1000

func printReplay(w io.Writer, r *history.Report) error {
	if err := printReplayCoverage(w, r.Coverage); err != nil {
		return err
	}
	for _, part := range replayParts(r) {
		if len(part.changes) == 0 {
			fmt.Fprintf(w, "\n%s: none\n", part.title)
			continue
		}
		title := fmt.Sprintf("%s: %s", part.title, count(int(eventsOf(part.changes)), "event"))
		if observed := observedOf(part.changes); observed > 0 {
			title += fmt.Sprintf(", of which %s ran in observe mode", humanize.Comma(observed))
		}
		fmt.Fprintf(w, "\n%s\n", painted(w, cell{title, part.colour}))
		t := table{head: []string{"EVENTS", "DISTINCT", "CLIENT", "COMMAND", "SHORTEST REQUEST"}, narrow: 20}
		for i := range part.changes {
			c := &part.changes[i]
			addExample(&t, c.Events, c.Distinct, c.Client, c.Command, c.Example, part.told(c))
		}
		if err := t.print(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\nunchanged: %s events\n", humanize.Comma(r.Same))
	return err
}

func printReplayCoverage(w io.Writer, c history.Coverage) error {
	percent := 0.0
	if c.Events > 0 {
		percent = 100 * float64(c.Reproducible) / float64(c.Events)
	}
	fmt.Fprintf(w, "%s events, %s distinct requests; reproducible: %s events (%.1f %%)\n", humanize.Comma(c.Events), humanize.Comma(c.Distinct), humanize.Comma(c.Reproducible), percent)
	if c.AuditOnly > 0 {
		fmt.Fprintf(w, "%s of these are as the audit tells them, for want of a stored job: without standard input, labels, and time limit\n", humanize.Comma(c.AuditOnly))
	}
	t := table{head: []string{"EVENTS", "DISTINCT", "NOT REPRODUCIBLE BECAUSE"}, narrow: 20}
	for _, l := range c.Lacks {
		text := l.Text
		if len(l.What) > 0 {
			text += ": " + strings.Join(l.What, ", ")
		}
		t.add(plainly(humanize.Comma(l.Events)), plainly(humanize.Comma(l.Distinct)), plainly(shown(text, maxCellText)))
	}
	if c.LeftOut > 0 {
		t.add(plainly(humanize.Comma(c.LeftOut)), plainly("?"), plainly("there are more distinct requests than are looked at; see --limit, --since and --client"))
	}
	if c.Damaged > 0 {
		t.add(plainly(humanize.Comma(c.Damaged)), plainly("?"), plainly("leaves cannot be read; run sidegate audit verify"))
	}
	if len(t.rows) == 0 {
		return nil
	}
	return t.print(w)
}

func eventsOf(changes []history.Change) (n int64) {
	for _, c := range changes {
		n += c.Events
	}
	return n
}

func observedOf(changes []history.Change) (n int64) {
	for _, c := range changes {
		n += c.Observed
	}
	return n
}

// addExample adds the requests of a client for a command, with their shortest and what is said of it below.
func addExample(t *table, events, distinct int64, client, command string, shortest history.Example, told string) {
	t.add(plainly(humanize.Comma(events)), plainly(humanize.Comma(distinct)), plainly(shown(client, 30)), plainly(shown(command, 40)),
		plainly(shown(lineOf(shortest), maxCellText)))
	t.add(plainly(""), plainly(""), plainly(""), plainly(""), plainly("  "+shown(told, maxCellText)))
}

// lineOf is a request in one line.
func lineOf(e history.Example) string {
	line := e.Command
	if len(e.Argv) > 0 {
		var err error
		if line, err = shell.Quote(e.Argv); err != nil {
			line = strings.Join(e.Argv, " ")
		}
	}
	if e.Workdir != "" {
		line += "  in " + e.Workdir
	}
	if len(e.Env) > 0 {
		line += "  with " + strings.Join(e.Env, ", ")
	}
	return line
}
