package authoring

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// The elements of the XML that JUnit's Ant task writes and that CI systems read.
type (
	junitSuites struct {
		XMLName xml.Name `xml:"testsuites"`
		junitTotals
		Suites []*junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name string `xml:"name,attr"`
		junitTotals
		Cases []junitCase `xml:"testcase"`
	}
	junitTotals struct {
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Time     junitSeconds `xml:"time,attr"`
	}
	junitCase struct {
		Name    string       `xml:"name,attr"`
		Class   string       `xml:"classname,attr"`
		File    string       `xml:"file,attr"`
		Line    int          `xml:"line,attr"`
		Time    junitSeconds `xml:"time,attr"`
		Failure *junitWhy    `xml:"failure"`
		Error   *junitWhy    `xml:"error"`
		Skipped *struct{}    `xml:"skipped"`
		Output  string       `xml:"system-out,omitempty"`
	}
	junitWhy struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	junitSeconds time.Duration
)

// MarshalXMLAttr writes seconds with all their digits and no exponent.
func (s junitSeconds) MarshalXMLAttr(name xml.Name) (xml.Attr, error) {
	return xml.Attr{Name: name, Value: fmt.Sprintf("%.6f", time.Duration(s).Seconds())}, nil
}

func (t *junitTotals) add(o Outcome, d time.Duration) {
	t.Tests++
	t.Time += junitSeconds(d)
	switch o {
	case Fail:
		t.Failures++
	case Error:
		t.Errors++
	case Skip:
		t.Skipped++
	}
}

// WriteJUnit writes results as the XML that CI systems read: a suite for each
// package, a case for each test, and one for each row of a test over a table.
func WriteJUnit(w io.Writer, results []TestResult) error {
	var all junitSuites
	suites := map[string]*junitSuite{}
	for _, r := range results {
		suite := suites[r.Package]
		if suite == nil {
			suite = &junitSuite{Name: r.Package}
			suites[r.Package] = suite
			all.Suites = append(all.Suites, suite)
		}
		for _, c := range junitCases(r) {
			suite.Cases = append(suite.Cases, c)
			suite.add(c.outcome(), time.Duration(c.Time))
			all.add(c.outcome(), time.Duration(c.Time))
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// junitCases is one case, or those of a table's rows, which share its time.
func junitCases(r TestResult) []junitCase {
	one := junitCase{Name: r.Name, Class: r.Package, File: r.File, Line: r.Line, Time: junitSeconds(r.Duration), Output: r.Output}
	if r.Outcome == Error || len(r.Cases) == 0 {
		one.end(r.Outcome, r.Error, r.FailedAt+r.Trace)
		return []junitCase{one}
	}
	cases := make([]junitCase, len(r.Cases))
	for i, row := range r.Cases {
		cases[i] = one
		cases[i].Name = r.Name + "/" + row.Name
		cases[i].Time = one.Time / junitSeconds(len(r.Cases))
		if i > 0 {
			cases[i].Output = ""
		}
		cases[i].end(row.Outcome, "", row.FailedAt)
	}
	return cases
}

func (c *junitCase) end(o Outcome, message, text string) {
	if message == "" {
		message = fmt.Sprintf("%s:%d does not hold", c.File, c.Line)
	}
	why := &junitWhy{Message: strings.TrimSpace(message), Text: text}
	switch o {
	case Fail:
		c.Failure = why
	case Error:
		c.Error = why
	case Skip:
		c.Skipped = &struct{}{}
	}
}

func (c *junitCase) outcome() Outcome {
	switch {
	case c.Failure != nil:
		return Fail
	case c.Error != nil:
		return Error
	case c.Skipped != nil:
		return Skip
	}
	return Pass
}
