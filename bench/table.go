package main

import (
	"fmt"
	"slices"
	"strings"
)

// circumstances is where and how it was measured.
func (r results) circumstances() string {
	text := fmt.Sprintf("%s. %s, %d CPUs (%s), %s, journal on %s. %s", r.Date, r.System, r.CPUs, r.CPU, r.Go, r.Disk, r.Sidegate)
	if r.Webhook != "" {
		text += ", " + r.Webhook
	}
	text += fmt.Sprintf(". %d turns of %s for each server at each concurrency, in random order; callers on the same CPUs.", r.Rounds, r.Turn)
	if r.Note != "" {
		text += " " + r.Note
	}
	return text
}

// table is the results for people: medians over the rounds, with the least and the most of them where it says so.
func (r results) table() string {
	var b strings.Builder
	b.WriteString("\n| callers | server | requests/s | p50 ms | p99 ms | own CPU ms | commands' CPU ms |\n|---:|---|---:|---:|---:|---:|---:|\n")
	for j := range r.Servers[0].Loads {
		for _, s := range r.Servers {
			l := s.Loads[j]
			fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s | %s |\n", l.Concurrency, s.Name, spread(l.Rate), spread(l.P50), spread(l.P99), spread(l.Own), spread(l.Children))
		}
	}
	b.WriteString("\n| server | a reply of 10 MiB, ms | memory for it, MiB | memory at most under these loads, MiB |\n|---|---:|---:|---:|\n")
	for _, s := range r.Servers {
		fmt.Fprintf(&b, "| %s | %s | +%.1f | %.0f |\n", s.Name, spread(s.Reply), s.ReplyGrownMiB, s.PeakMiB)
	}
	b.WriteString("\nSidegate's figures as parts of the others', each the median of what it was in each round:\n\n| | callers | requests/s | p50 | p99 | own CPU |\n|---|---:|---:|---:|---:|---:|\n")
	ours := r.Servers[0]
	for _, s := range r.Servers[1:] {
		for j, l := range s.Loads {
			o := ours.Loads[j]
			fmt.Fprintf(&b, "| to %s | %d | %.2f | %.2f | %.2f | %.2f |\n", the(s.Name), l.Concurrency, ratio(o.Rate, l.Rate), ratio(o.P50, l.P50), ratio(o.P99, l.P99), ratio(o.Own, l.Own))
		}
	}
	b.WriteString("\n")
	for _, s := range r.Servers[1:] {
		fmt.Fprintf(&b, "A reply of 10 MiB takes sidegate %.2f times as long as %s.\n", ratio(ours.Reply, s.Reply), the(s.Name))
	}
	b.WriteString("\nWhat each does for a call, besides running the command and answering with its output:\n\n")
	for _, s := range r.Servers {
		fmt.Fprintf(&b, "- %s: %s\n", s.Name, s.About)
	}
	return b.String()
}

// the is a server's name in a sentence: what is no name of its own has an article.
func the(name string) string {
	if strings.Contains(name, " ") {
		return "the " + name
	}
	return name
}

// spread is a median with the least and the most.
func spread(of []float64) string {
	return fmt.Sprintf("%s (%s–%s)", short(median(of)), short(slices.Min(of)), short(slices.Max(of)))
}

// short has three digits, or those before the point.
func short(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// The part of RESULTS.md between these lines is made from results.json.
const (
	tableBegin = "<!-- made by `make bench` from results.json -->\n"
	tableEnd   = "<!-- end of what is made -->\n"
)

// insertTable puts the table into the page.
func insertTable(page string, r results) (string, error) {
	before, rest, found := strings.Cut(page, tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		return "", fmt.Errorf("%s lacks the lines %q and %q", tableFile, tableBegin, tableEnd)
	}
	return before + tableBegin + "\n" + r.circumstances() + "\n" + r.table() + "\n" + tableEnd + after, nil
}
