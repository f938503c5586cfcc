// Package metricstest reads and checks what a gateway answers at /metrics, for tests.
package metricstest

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// A Page is the answer to a scrape.
type Page struct {
	Text   string
	values map[string]float64
}

// Scrape gets a page. A page that cannot be had, or read, ends the test.
func Scrape(t testing.TB, url string) Page {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %v\n%s", url, resp.Status, err, text)
	}
	return Read(t, string(text))
}

// Read reads a page.
func Read(t testing.TB, text string) Page {
	t.Helper()
	p := Page{Text: text, values: map[string]float64{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		p.values[line[:at]] = v
	}
	return p
}

// Has tells whether there is a figure, such as sidegate_jobs_ended_total{status="exited"}; labels are in the order of the alphabet.
func (p Page) Has(figure string) bool {
	_, ok := p.values[figure]
	return ok
}

// Value returns a figure; there has to be one.
func (p Page) Value(t testing.TB, figure string) float64 {
	t.Helper()
	v, ok := p.values[figure]
	if !ok {
		t.Errorf("there is no %s", figure)
	}
	return v
}

// Want checks figures.
func (p Page) Want(t testing.TB, want map[string]float64) {
	t.Helper()
	for figure, v := range want {
		if got, ok := p.values[figure]; !ok || got != v {
			t.Errorf("%s is %v (there: %v), want %v", figure, got, ok, v)
		}
	}
}

// Lint checks names, units and help texts as Prometheus wants them.
func (p Page) Lint(t testing.TB) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(p.Text)).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}
