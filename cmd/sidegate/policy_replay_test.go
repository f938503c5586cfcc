package main

import (
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/history"
	"github.com/sidegate/sidegate/policy/authoring"
)

func TestMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "36h": now.Add(-36 * time.Hour), "14d": now.AddDate(0, 0, -14), "0s": now, "2026-03-01T12:00:00+01:00": time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC),
	} {
		if got, err := moment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"yesterday", "-1h", "-1d", "1.5d", "d", "9999999999d", "40000d", "2026-03-01"} {
		if got, err := moment(text, now); err == nil {
			t.Errorf("%s is %v", text, got)
		}
	}
	for _, q := range []auditedRequests{{limit: 0}, {limit: 1, since: "x"}, {limit: 1, until: "x"}, {limit: 1, since: "1h", until: "2h"}} {
		if _, err := q.query(now); err == nil {
			t.Errorf("%+v is taken", q)
		}
	}
}

// What callers wrote stays in its cell, whatever it is.
func TestPrintReplayOfHostileText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"\x1b[2J\x1b[31m", "a\nb\r\tc", "\u202eabc\u2066", "\xff\xfe", strings.Repeat("x", 100_000), "\x00\x7f\u0085"} {
		answer := history.Answer{Grants: []string{text}, Reasons: []string{text}}
		c := history.Change{
			Client: text, Command: text, Events: 1, Distinct: 1, Before: answer, After: answer, Weaker: []authoring.Weakening{{What: "w", Before: text, After: text}},
			Example: history.Example{Command: text, Workdir: text, Env: []string{text}},
		}
		argv := c
		argv.Example.Argv = []string{"x", text}
		r := &history.Report{
			Allowed: []history.Change{c, argv}, Denied: []history.Change{c}, Weaker: []history.Change{c}, Reworded: []history.Change{c},
			Coverage: history.Coverage{Lacks: []history.Lack{{Text: "t", What: []string{text}}}},
		}
		var out strings.Builder
		if err := printReplay(&out, r); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(out.String(), "\x1b\r\t\x00\x7f\u0085\u202e\u2066") || strings.Count(out.String(), "\n") != 27 || out.Len() > 100_000 {
			t.Errorf("%.20q: %d lines, %d bytes:\n%.3000s", text, strings.Count(out.String(), "\n"), out.Len(), out.String())
		}
	}
}

func TestPrintSuggestionOfHostileText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"\x1b[2J", "a\nb\r\tc", "\u202eabc", "\xff", strings.Repeat("x", 100_000), "\x00\x7f\u0085"} {
		s := suggesting{auditedRequests: auditedRequests{config: "c.yaml"}, out: "out"}
		found := &history.Suggestion{
			Files: []string{"sidegate/roles/web/data.yaml"}, Roles: map[string][]string{"func": {"web", "web-2"}}, Wanted: 1,
			Refused: []history.Uncovered{{Client: text, Command: text, Why: text, Example: history.Example{Command: text, Argv: []string{text, text}, Workdir: text}}},
		}
		c := config.Default()
		var out strings.Builder
		if err := s.print(&out, &c, found); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(out.String(), "\x1b\r\t\x00\x7f\u0085\u202e") || strings.Count(out.String(), "\n") != 17 || out.Len() > 100_000 ||
			!strings.Contains(out.String(), "candidate --with-role 'func=web' --with-role 'func=web-2'\n") {
			t.Errorf("%.20q: %d lines:\n%.3000s", text, strings.Count(out.String(), "\n"), out.String())
		}
	}
}
