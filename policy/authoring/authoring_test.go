package authoring

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/policy"
	"go.uber.org/goleak"
)

// Tests that format or build policies are not parallel: OPA's formatter gives a place to the value of each else, which for one without a value is a term that all
// modules of the process share (writeElse in its format.go), and that whoever compiles meanwhile reads. The commands do one thing at a time.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCheckFinds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files map[string]string
		want  []string // one for each problem; file:line and what is wrong
	}{
		"nothing": {map[string]string{"p.rego": "package sidegate\n\ndecision := input.shell.commands[0].name\n"}, nil},
		"a typo in the input": {
			map[string]string{"p.rego": "package sidegate\n\na := input.shell.commadns\n"},
			[]string{"p.rego:3: rego_type_error: undefined ref: input.shell.commadns"},
		},
		"a typo under an annotation": {
			map[string]string{"p.rego": "# METADATA\n# schemas:\n#   - input: schema.input\npackage sidegate\n\na := input.request.stdin.txet\n"},
			[]string{"p.rego:6: rego_type_error: undefined ref: input.request.stdin.txet"},
		},
		"a comparison that never holds": {
			map[string]string{"p.rego": "package sidegate\n\na if input.request.wait == \"yes\"\n"},
			[]string{"p.rego:3: rego_type_error: match error"},
		},
		"two files": {
			map[string]string{"p.rego": "package sidegate\n\na := b\n", "q.rego": "package sidegate\n\nc := d\n"},
			[]string{"p.rego:3: rego_unsafe_var_error", "q.rego:3: rego_unsafe_var_error"},
		},
		"bad syntax": {
			map[string]string{"p.rego": "package sidegate\n\na := [1,,2]\n"},
			[]string{"p.rego:3: rego_parse_error: unexpected , token: expected rule value"},
		},
		"bad syntax with a cause": {
			map[string]string{"p.rego": "package sidegate\n\na := {\"b\": 1\n\nc if d(\n"},
			[]string{"p.rego:5: rego_parse_error: unexpected identifier token: non-terminated object"},
		},
		"no decision": {
			map[string]string{"sidegate/p.rego": "package sidegate\n\na := 1\n"},
			[]string{policy.ErrNoEntrypoint.Error()},
		},
		"an unused import": {
			map[string]string{"p.rego": "package sidegate\n\nimport data.sidegate.other\n"},
			[]string{"p.rego:3: rego_compile_error: import data.sidegate.other unused"},
		},
		"a withheld builtin": {
			map[string]string{"p.rego": "package sidegate\n\na := http.send({})\n"},
			[]string{"p.rego:3: rego_type_error: undefined function http.send"},
		},
		"a broken test": {
			map[string]string{"p_test.rego": "package sidegate_test\n\ntest_a if nothing\n"},
			[]string{"p_test.rego:3: rego_unsafe_var_error"},
		},
		"a package that the gateway refuses": {
			map[string]string{"p.rego": "package elsewhere\n"}, []string{"package elsewhere is outside of sidegate"},
		},
		"data that the gateway refuses": {
			map[string]string{"data.json": `{"sidegate": {"a": 1, "a": 2}}`}, []string{"duplicate"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems, err := Check(t.Context(), []string{writeFiles(t, test.files)}, CheckOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if len(problems) != len(test.want) {
				t.Fatalf("%d problems, want %d: %v", len(problems), len(test.want), problems)
			}
			for i, want := range test.want {
				if !strings.Contains(problems[i].String(), want) {
					t.Errorf("%q does not say %q", problems[i], want)
				}
			}
		})
	}
}

func TestCheckOptions(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, map[string]string{
		"p/p.rego":   "# METADATA\n# schemas:\n#   - input: schema.own\npackage sidegate\n\na := input.mine\n\nb := http.send({\"url\": input.mine, \"method\": \"get\"})\n",
		"s/own.json": `{"type": "object", "additionalProperties": false, "properties": {"mine": {"type": "string"}}}`,
	})
	// A single file, which no gateway could load: it knows the schema of the input only.
	paths := []string{filepath.Join(dir, "p", "p.rego")}
	own := CheckOptions{Schemas: filepath.Join(dir, "s"), AllowBuiltins: []string{"http.send"}}
	if problems, err := Check(t.Context(), paths, own); err != nil || len(problems) > 0 {
		t.Errorf("problems %v, error %v", problems, err)
	}
	if problems, err := Check(t.Context(), paths, CheckOptions{}); err != nil || len(problems) == 0 {
		t.Errorf("problems %v, error %v", problems, err)
	}
	if _, err := Check(t.Context(), paths, CheckOptions{Schemas: filepath.Join(dir, "none")}); err == nil {
		t.Error("a missing schema directory passed")
	}
	if _, err := Check(t.Context(), paths, CheckOptions{AllowBuiltins: []string{"exec"}}); err == nil {
		t.Error("an unknown builtin passed")
	}
	problems, err := Check(t.Context(), []string{filepath.Join(dir, "none")}, CheckOptions{})
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].String(), "no such file") {
		t.Errorf("problems %v, error %v", problems, err)
	}
}

func TestTest(t *testing.T) {
	t.Parallel()
	report, err := Test(t.Context(), []string{"testdata/mixed"}, TestOptions{Trace: true})
	if err != nil {
		t.Fatal(err)
	}
	results := report.Tests
	byName := make(map[string]TestResult)
	lastLine := 0
	for _, r := range results {
		byName[r.Name] = r
		if r.Line < lastLine || r.Package != "data.sidegate.mixed_test" || filepath.Base(r.File) != "mixed_test.rego" {
			t.Errorf("result %+v", r)
		}
		lastLine = r.Line
	}
	for name, want := range map[string]Outcome{
		"test_passes": Pass, "test_fails": Fail, "test_errs": Error, "todo_test_later": Skip, "test_table": Fail,
	} {
		if byName[name].Outcome != want {
			t.Errorf("%s: %q, want %q", name, byName[name].Outcome, want)
		}
	}
	if len(results) != 5 {
		t.Errorf("%d results", len(results))
	}
	if r := byName["test_passes"]; r.Output != "two and two\n" || r.Trace != "" || r.Duration <= 0 {
		t.Errorf("result %+v", r)
	}
	if r := byName["test_fails"]; !strings.Contains(r.Trace, "Fail") {
		t.Errorf("trace %q", r.Trace)
	}
	if r := byName["test_errs"]; !strings.Contains(r.Error, "eval_conflict_error") {
		t.Errorf("error %q", r.Error)
	}
	if cases := byName["test_table"].Cases; len(cases) != 2 || cases[0] != (TestCase{Name: "wrong", Outcome: Fail}) || cases[1] != (TestCase{Name: "zero", Outcome: Pass}) {
		t.Errorf("cases %v", cases)
	}
}

// A builtin that fails makes a gateway deny, whatever the rule around it makes of that. A test that meets one does not pass,
// also where what it asks for would follow from the failure.
func TestTestRaisesBuiltinErrors(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, map[string]string{"b_test.rego": `package sidegate.b_test

number(x) := to_number(x)

test_number if number("4") == 4

test_no_number if not number("four")

test_two_of_them if {
	not number("four")
	not number("five")
}

test_undefined if not input.x
`})
	report, err := Test(t.Context(), []string{dir}, TestOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		outcome Outcome
		error   string
	}{
		"test_number": {Pass, ""}, "test_no_number": {Error, "b_test.rego:3: eval_builtin_error: to_number: strconv.ParseFloat: parsing \"four\""},
		"test_two_of_them": {Error, "parsing \"five\""}, "test_undefined": {Pass, ""},
	}
	for _, r := range report.Tests {
		if w := want[r.Name]; r.Outcome != w.outcome || (r.Error == "") != (w.error == "") || !strings.Contains(r.Error, w.error) {
			t.Errorf("%s: %s, %s", r.Name, r.Outcome, r.Error)
		}
	}
	if len(report.Tests) != len(want) {
		t.Errorf("%d tests were run", len(report.Tests))
	}
}

func TestTestOptions(t *testing.T) {
	t.Parallel()
	report, err := Test(t.Context(), []string{"testdata/mixed"}, TestOptions{Run: `mixed_test\.test_pass`})
	if err != nil || len(report.Tests) != 1 || report.Tests[0].Name != "test_passes" || report.Coverage != nil {
		t.Errorf("report %v, error %v", report, err)
	}
	if report, err := Test(t.Context(), []string{"testdata/mixed"}, TestOptions{Run: "nothing"}); err != nil || len(report.Tests) != 0 {
		t.Errorf("report %v, error %v", report, err)
	}
	if _, err := Test(t.Context(), []string{"testdata/mixed"}, TestOptions{Run: "("}); err == nil {
		t.Error("a broken filter passed")
	}
	slow := writeFiles(t, map[string]string{"s_test.rego": `package sidegate.s_test

test_slow if {
	some x in numbers.range(1, 9999)
	some y in numbers.range(1, 9999)
	x + y < 0
}`})
	report, err = Test(t.Context(), []string{slow}, TestOptions{Timeout: 10 * time.Millisecond})
	if err != nil || len(report.Tests) != 1 || report.Tests[0].Outcome != Error || !strings.Contains(report.Tests[0].Error, "cancel") {
		t.Errorf("report %v, error %v", report, err)
	}
	broken := writeFiles(t, map[string]string{"b_test.rego": "package sidegate.b_test\n\ntest_b if c\n"})
	if _, err := Test(t.Context(), []string{broken}, TestOptions{}); len(policy.Problems(err)) != 1 || policy.Problems(err)[0].Line != 3 {
		t.Errorf("error %v", err)
	}
}

func TestEval(t *testing.T) {
	t.Parallel()
	paths := []string{"testdata/mixed"}
	var trace bytes.Buffer
	results, err := Eval(t.Context(), paths, `x := data.sidegate.mixed.double(input.n)`, []byte(`{"n": 21}`), EvalOptions{Trace: &trace})
	if err != nil || len(results) != 1 || results[0].Bindings["x"] != json.Number("42") {
		t.Errorf("results %v, error %v", results, err)
	}
	if !strings.Contains(trace.String(), "Enter") {
		t.Errorf("trace %q", trace.String())
	}
	results, err = Eval(t.Context(), paths, `some n in [1, 2]; data.sidegate.mixed.double(n)`, nil, EvalOptions{})
	if err != nil || len(results) != 2 || results[1].Values()[1] != json.Number("4") {
		t.Errorf("results %v, error %v", results, err)
	}
	results, err = Eval(t.Context(), paths, `data.sidegate.mixed.nothing`, nil, EvalOptions{})
	if err != nil || len(results) != 0 {
		t.Errorf("undefined: results %v, error %v", results, err)
	}
	results, err = Eval(t.Context(), paths, `data.sidegate.mixed_test`, nil, EvalOptions{})
	if err != nil || len(results) != 0 {
		t.Errorf("tests are loaded: results %v, error %v", results, err)
	}
	for want, try := range map[string]struct{ query, input string }{
		"eval_builtin_error": {`to_number("x")`, `{}`},
		"rego_parse_error":   {`1 +`, `{}`},
		"input: ":            {`1`, `{"a": `},
		"undefined function": {`http.send({})`, `{}`},
	} {
		if _, err := Eval(t.Context(), paths, try.query, []byte(try.input), EvalOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	var prints bytes.Buffer
	dir := writeFiles(t, map[string]string{"p.rego": "package sidegate\n\na if print(\"seen\", input)\n"})
	if _, err := Eval(t.Context(), []string{dir}, "data.sidegate.a", []byte("7"), EvalOptions{Prints: &prints}); err != nil || !strings.Contains(prints.String(), "p.rego:3: seen 7") {
		t.Errorf("prints %q, error %v", prints.String(), err)
	}
}
