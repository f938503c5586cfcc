package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is a line of `go test -json`, as `go doc test2json` and `go help buildjson` describe it.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// module is left out of the names of packages that skip.
const module = "github.com/sidegate/sidegate/"

func newReport(out io.Writer) *report {
	return &report{out: out, suites: map[string]*suite{}, skipped: map[skip][]string{}}
}

// report turns events into what go test prints without -json and -v.
type report struct {
	out     io.Writer
	suites  map[string]*suite // that have not ended, by package
	skipped map[skip][]string // names of tests
	failed  []string          // packages
}

// skip is why some cases of one test were skipped.
type skip struct{ pkg, top, reason string }

// suite is the tests of a package, as far as they have come.
type suite struct {
	own    []string            // lines of no test
	lines  map[string][]line   // of a test and those below it, by its name, until it has ended
	passed map[string]struct{} // tests that ended well
}

type line struct{ test, text string }

// read takes events until there are no more.
func (r *report) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		text, err := lines.ReadString('\n')
		var e event
		switch {
		case text == "":
		case json.Unmarshal([]byte(text), &e) != nil:
			fmt.Fprint(r.out, text) // not everything that go prints there is an event
		default:
			r.take(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	if e.Action == "build-output" {
		fmt.Fprint(r.out, e.Output)
		return
	}
	s := r.suites[e.Package]
	if s == nil {
		s = &suite{lines: map[string][]line{}, passed: map[string]struct{}{}}
		r.suites[e.Package] = s
	}
	top, _, _ := strings.Cut(e.Test, "/")
	switch {
	case e.Action == "output" && e.Test == "":
		s.own = append(s.own, e.Output)
	case e.Action == "output":
		s.lines[top] = append(s.lines[top], line{e.Test, e.Output})
	case e.Action != "pass" && e.Action != "fail" && e.Action != "skip":
	case e.Test == "":
		r.endSuite(s, e.Action == "fail")
		if e.Action == "fail" {
			r.failed = append(r.failed, strings.TrimPrefix(e.Package, module))
		}
		delete(r.suites, e.Package)
	default:
		if e.Action == "skip" {
			why := skip{strings.TrimPrefix(e.Package, module), top, reason(s.lines[top], e.Test)}
			r.skipped[why] = append(r.skipped[why], e.Test)
		}
		if e.Action != "fail" {
			s.passed[e.Test] = struct{}{}
		}
		if e.Test == top {
			r.endTest(s, top)
		}
	}
}

// endTest prints what a test wrote, and those below it, but for those that passed: of each its verdict, which comes last,
// and then the rest.
func (r *report) endTest(s *suite, top string) {
	var order []string
	verdicts, rest := map[string]string{}, map[string]string{}
	for _, l := range s.lines[top] {
		if _, passed := s.passed[l.test]; passed || strings.HasPrefix(l.text, "=== ") {
			continue
		}
		if !slices.Contains(order, l.test) {
			order = append(order, l.test)
		}
		if strings.HasPrefix(strings.TrimSpace(l.text), "--- FAIL: ") {
			verdicts[l.test] += l.text
			continue
		}
		rest[l.test] += l.text
	}
	for _, test := range order {
		fmt.Fprint(r.out, verdicts[test], rest[test])
	}
	delete(s.lines, top)
}

// endSuite prints the last words of a package. Where it failed, its tests may not have come to an end.
func (r *report) endSuite(s *suite, failed bool) {
	for top := range s.lines {
		r.endTest(s, top)
	}
	for _, text := range s.own {
		if failed || strings.HasPrefix(text, "ok  \t") || strings.HasPrefix(text, "?   \t") {
			fmt.Fprint(r.out, text)
		}
	}
}

// end prints what never ended, which tests skipped, and, because that stands in front of the prompt, what failed.
func (r *report) end() {
	for _, s := range r.suites {
		r.endSuite(s, true)
	}
	r.printSkipped()
	if len(r.failed) > 0 {
		fmt.Fprintf(r.out, "\nfailed: %s\n", strings.Join(r.failed, ", "))
	}
}

func (r *report) printSkipped() {
	if len(r.skipped) == 0 {
		fmt.Fprintln(r.out, "\nno test was skipped")
		return
	}
	fmt.Fprintln(r.out, "\nskipped:")
	order := slices.SortedFunc(maps.Keys(r.skipped), func(a, b skip) int {
		return cmp.Or(strings.Compare(a.pkg, b.pkg), strings.Compare(a.top, b.top), strings.Compare(a.reason, b.reason))
	})
	for _, why := range order {
		name := r.skipped[why][0]
		if n := len(r.skipped[why]); n > 1 {
			name = fmt.Sprintf("%s (%d cases)", why.top, n)
		}
		fmt.Fprintf(r.out, "  %s %s: %s\n", why.pkg, name, why.reason)
	}
}

// scriptLog begins what testscript writes of a script: all that it did before it skipped.
const scriptLog = "testscript.go:"

// reason is what a test wrote before it skipped, in one line.
func reason(lines []line, test string) string {
	var words []string
	for _, l := range lines {
		text := strings.TrimSpace(l.text)
		if l.test != test || text == "" || strings.HasPrefix(text, "=== ") || strings.HasPrefix(text, "--- SKIP: ") {
			continue
		}
		if strings.HasPrefix(text, scriptLog) {
			break
		}
		words = append(words, text)
	}
	if len(words) == 0 {
		return "it does not say why"
	}
	return strings.Join(words, " ")
}
