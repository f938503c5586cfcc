package metrics

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	row  = regexp.MustCompile("(?m)^\\| `(sidegate_\\w+)` \\| (\\w+) \\|([^|]*)\\| ([^|]+) \\|[^|]*\\|$")
	line = regexp.MustCompile("(?m)^\\| `(sidegate_\\w+)`")
	told = regexp.MustCompile(`fqName: "(sidegate_\w+)"`)
)

// TestEveryFigureIsDocumented: docs/metrics.md has a row for each figure, with its type and its labels, and for no other.
func TestEveryFigureIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		if rows[m[1]] != "" {
			t.Errorf("%s has two rows", m[1])
		}
		rows[m[1]] = fmt.Sprintf("%s with %s", m[2], strings.ReplaceAll(strings.TrimSpace(m[3]), "`", ""))
	}
	for _, m := range line.FindAllStringSubmatch(string(page), -1) {
		if rows[m[1]] == "" {
			t.Errorf("the row of %s cannot be read", m[1])
		}
	}
	for name, is := range described(t) {
		if rows[name] != is {
			t.Errorf("%s is a %s; docs/metrics.md says %q", name, is, rows[name])
		}
		delete(rows, name)
	}
	for name := range rows {
		t.Errorf("docs/metrics.md has %s, which there is not", name)
	}
}

// described says of each figure what it is. The labels are in the order of the page, which puts the wider one first.
func described(t *testing.T) map[string]string {
	t.Helper()
	m := newTest(t, full())
	happened(m)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	figures := map[string]string{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), prefix) {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		slices.SortFunc(labels, func(a, b string) int { return slices.Index(labelOrder, a) - slices.Index(labelOrder, b) })
		figures[f.GetName()] = fmt.Sprintf("%s with %s", strings.ToLower(f.GetType().String()), strings.Join(labels, ", "))
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		m.registry.Describe(descs)
		close(descs)
	}()
	for d := range descs { // also what has no value in the test
		if name := told.FindStringSubmatch(d.String()); name != nil && figures[name[1]] == "" {
			t.Errorf("the test has no value of %s", name[1])
		}
	}
	return figures
}

// labelOrder is every label that there is. One more is to be thought about twice: what values has it, and who chooses them?
var labelOrder = []string{
	"client", "profile", "feature", "plugin", "phase", "kind", "route", "method", "class", "code", "bundle", "sink", "stage", "result", "status", "outcome", "reason", "version", "release_date",
}
