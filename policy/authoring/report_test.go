package authoring

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
)

func TestCoverage(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, map[string]string{
		"p.rego":      "package sidegate\n\nreached if input.x\n\nmissed if {\n\tinput.y\n\tinput.z\n}\n",
		"p_test.rego": "package sidegate_test\n\nimport data.sidegate\n\ntest_reached if sidegate.reached with input.x as true\n",
	})
	report, err := Test(t.Context(), []string{dir}, TestOptions{Coverage: true})
	if err != nil || report.Coverage == nil {
		t.Fatalf("report %+v, error %v", report, err)
	}
	var missed []Lines
	for _, f := range report.Coverage.Files {
		if strings.HasSuffix(f.File, "p.rego") {
			missed = f.NotCovered
		}
	}
	if len(missed) != 1 || missed[0] != (Lines{5, 7}) || report.Coverage.Percent >= 100 || report.Coverage.Covered >= report.Coverage.Lines {
		t.Errorf("not covered: %v of %+v", missed, report.Coverage)
	}
}

func TestVarValues(t *testing.T) {
	t.Parallel()
	report, err := Test(t.Context(), []string{"testdata/mixed"}, TestOptions{VarValues: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Tests {
		switch {
		case r.Name == "test_fails" && (!strings.Contains(r.FailedAt, "mixed.double(2) == 5") || !strings.Contains(r.FailedAt, "4")):
			t.Errorf("failed at %q", r.FailedAt)
		case r.Name == "test_table" && !strings.Contains(r.Cases[0].FailedAt, `"note": "wrong"`):
			t.Errorf("failed at %q", r.Cases[0].FailedAt)
		case r.Outcome == Pass && r.FailedAt != "", r.Trace != "":
			t.Errorf("result %+v", r)
		}
	}
}

func TestBenchTests(t *testing.T) {
	t.Parallel()
	var results []BenchResult
	err := BenchTests(t.Context(), []string{"testdata/mixed"}, TestOptions{Run: "test_passes|test_fails"}, func(r BenchResult) { results = append(results, r) })
	if err != nil || len(results) != 2 {
		t.Fatalf("results %v, error %v", results, err)
	}
	for _, r := range results {
		measured := r.Count > 0 && r.NsPerOp > 0 && r.Allocs > 0 && r.AllocedB > 0
		if measured != (r.Name == "test_passes") || r.Line == 0 || (r.Outcome == Pass) != measured {
			t.Errorf("result %+v", r)
		}
	}
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	results := []TestResult{
		{Package: "data.a", Name: "test_good", Outcome: Pass, Output: "seen <\x00>\n", Duration: 1500},
		{Package: "data.a", Name: "test_bad", Outcome: Fail, FailedAt: "x == 1", File: "a_test.rego", Line: 3},
		{Package: "data.b", Name: "test_worse", Outcome: Error, Error: `"conflict" & more`},
		{Package: "data.b", Name: "todo_test_later", Outcome: Skip},
		{Package: "data.b", Name: "test_rows", Outcome: Fail, Cases: []TestCase{{Name: "one", Outcome: Pass}, {Name: "two", Outcome: Fail}}},
	}
	var out bytes.Buffer
	if err := WriteJUnit(&out, results); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string `xml:"name,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
					Text    string `xml:",chardata"`
				} `xml:"failure"`
				Output string `xml:"system-out"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(out.Bytes(), &read); err != nil {
		t.Fatalf("%v in %s", err, out.Bytes())
	}
	if read.Tests != 6 || read.Failures != 2 || read.Errors != 1 || read.Skipped != 1 || len(read.Suites) != 2 {
		t.Errorf("read %+v", read)
	}
	if c := read.Suites[0].Cases[1]; c.Failure == nil || c.Failure.Text != "x == 1" || c.Failure.Message != "a_test.rego:3 does not hold" {
		t.Errorf("case %+v", c)
	}
	if c := read.Suites[0].Cases[0]; c.Failure != nil || c.Output != "seen <\uFFFD>\n" {
		t.Errorf("case %+v", c)
	}
	if c := read.Suites[1].Cases[3]; c.Name != "test_rows/two" || c.Failure == nil {
		t.Errorf("case %+v", c)
	}
}

func TestEvalProfileAndExplain(t *testing.T) {
	t.Parallel()
	var profile []ProfileEntry
	var fails, full bytes.Buffer
	const query = "data.sidegate.mixed.double(input.n)"
	if _, err := Eval(t.Context(), []string{"testdata/mixed"}, query, []byte(`{"n": 1}`), EvalOptions{Trace: &full, Profile: &profile}); err != nil {
		t.Fatal(err)
	}
	if len(profile) == 0 || profile[0].Line == 0 || profile[0].Time <= 0 || profile[0].NumEval == 0 {
		t.Errorf("profile %+v", profile)
	}
	if _, err := Eval(t.Context(), []string{"testdata/mixed"}, query, []byte(`{"n": 1}`), EvalOptions{Trace: &fails, Explain: "fails"}); err != nil {
		t.Fatal(err)
	}
	if fails.Len() >= full.Len() || full.Len() == 0 {
		t.Errorf("fails:\n%s\nfull:\n%s", &fails, &full)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ rego, want, err string }{
		"the library's shape": {
			`package sidegate` + "\n" + `explanation := {"allow": false, "request": ["r"], "commands": [{"id": 0, "text": "ls", "grants": ["b"], "reasons": ["no"]}]}`,
			`{"allow":false,"request":["r"],"commands":[{"id":0,"text":"ls","grants":["b"],"reasons":["no"]}]}`, "",
		},
		"none":           {"package sidegate", `null`, ""},
		"undefined":      {"package sidegate\nexplanation := {} if input.no", `null`, ""},
		"another form":   {"package sidegate\nexplanation := {\"commands\": 1}", `null`, "has another form"},
		"one that fails": {"package sidegate\nexplanation := to_number(\"x\")", `null`, "to_number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := Explain(t.Context(), []string{writeFiles(t, map[string]string{"g.rego": test.rego})}, []byte(`{}`), nil)
			if got, _ := json.Marshal(found); string(got) != test.want {
				t.Errorf("explanation %s", got)
			}
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
}
