package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runPolicy runs "sidegate policy" with the arguments.
func runPolicy(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := newPolicyCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var out, errOut bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errOut.String(), err
}

func policyDir(t *testing.T, name, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func errorHas(err error, want string) bool { return err != nil && strings.Contains(err.Error(), want) }

func TestPolicyCheckCommand(t *testing.T) {
	t.Parallel()
	good := policyDir(t, "p.rego", "package sidegate\n\ndecision := input.shell.class\n")
	if out, _, err := runPolicy(t, "", "check", good); err != nil || out != "ok\n" {
		t.Errorf("out %q, error %v", out, err)
	}
	bad := policyDir(t, "p.rego", "package sidegate\n\na := input.shell.clas\n")
	out, _, err := runPolicy(t, "", "check", "--policies", bad)
	if !errorHas(err, "1 problem found") || !strings.HasPrefix(out, filepath.Join(bad, "p.rego")+":3: ") {
		t.Errorf("out %q, error %v", out, err)
	}
	out, _, err = runPolicy(t, "", "check", "--json", bad)
	var report struct{ Problems []struct{ Line int } }
	if jsonErr := json.Unmarshal([]byte(out), &report); jsonErr != nil || err == nil || len(report.Problems) != 1 || report.Problems[0].Line != 3 {
		t.Errorf("out %q, error %v", out, err)
	}
	if _, _, err := runPolicy(t, "", "check"); !errorHas(err, "--policies policies") {
		t.Errorf("error %v", err)
	}
}

func TestPolicyTestCommand(t *testing.T) {
	t.Parallel()
	dir := policyDir(t, "p_test.rego", "package sidegate.p_test\n\ntest_good if {\n\tprint(\"seen\")\n\ttrue\n}\n\ntest_bad if 1 == input.x\n")
	out, _, err := runPolicy(t, "", "test", dir)
	if !errorHas(err, "1 of 2 tests failed") || !strings.Contains(out, "FAIL  data.sidegate.p_test.test_bad") ||
		!strings.Contains(out, "p_test.rego:8") || strings.Contains(out, "test_good") {
		t.Errorf("out %q, error %v", out, err)
	}
	out, _, err = runPolicy(t, "", "test", "--policies", dir, "--run", "good", "-v")
	if err != nil || !strings.Contains(out, "PASS  data.sidegate.p_test.test_good") || !strings.Contains(out, "\n  seen\n") ||
		!strings.Contains(out, "1 test: 1 passed, 0 failed") {
		t.Errorf("out %q, error %v", out, err)
	}
	if out, _, err = runPolicy(t, "", "test", dir, "-v", "--run", "bad"); err == nil || !strings.Contains(out, "Fail ") {
		t.Errorf("no trace in %q, error %v", out, err)
	}
	out, _, err = runPolicy(t, "", "test", "--json", dir)
	var results []struct{ Name, Outcome string }
	if jsonErr := json.Unmarshal([]byte(out), &results); jsonErr != nil || err == nil || len(results) != 2 || results[1].Outcome != "fail" {
		t.Errorf("out %q, error %v", out, err)
	}
	if _, _, err := runPolicy(t, "", "test", dir, "--run", "nothing"); !errorHas(err, `none matches "nothing"`) {
		t.Errorf("error %v", err)
	}
	if _, _, err := runPolicy(t, "", "test", t.TempDir()); !errorHas(err, "no test was run") {
		t.Errorf("error %v", err)
	}
	broken := policyDir(t, "p.rego", "package sidegate\n\na := b\n")
	if _, stderr, err := runPolicy(t, "", "test", broken); !errorHas(err, "do not compile") || !strings.Contains(stderr, "p.rego:3: ") {
		t.Errorf("stderr %q, error %v", stderr, err)
	}
}

func TestPolicyEvalCommand(t *testing.T) {
	t.Parallel()
	dir := policyDir(t, "p.rego", "package sidegate\n\ndouble := 2 * input.n\n")
	if out, _, err := runPolicy(t, `{"n": 4}`, "eval", "--policies", dir, "--input", "-", "data.sidegate.double"); err != nil || out != "8\n" {
		t.Errorf("out %q, error %v", out, err)
	}
	file := filepath.Join(policyDir(t, "input.json", `{"n": 5}`), "input.json")
	if out, _, err := runPolicy(t, "", "eval", "--policies", dir, "-i", file, "x := data.sidegate.double"); err != nil || out != "{\n  \"x\": 10\n}\n" {
		t.Errorf("out %q, error %v", out, err)
	}
	if out, _, err := runPolicy(t, "", "eval", "--policies", dir, "data.sidegate.double"); err != nil || out != "undefined\n" {
		t.Errorf("out %q, error %v", out, err)
	}
	more := policyDir(t, "q.rego", "package sidegate.q\n\nname := concat(\"\", [\"n\", \"ame\"])\n")
	for want, args := range map[string][]string{
		"6\n":                                  {"-I", "data.sidegate.double"},
		"name\n":                               {"--format", "raw", "data.sidegate.q.name"},
		"\"name\"\n":                           {"--format", "values", "data.sidegate.q.name"},
		"{\n  \"x\": \"name\"\n}\n":            {"--format", "bindings", "x := data.sidegate.q.name"},
		"{}\n":                                 {"-f", "json", "data.sidegate.nothing"},
		"{\n  \"x\": 1\n}\n{\n  \"x\": 2\n}\n": {"some x in [1, 2]"},
	} {
		if out, _, err := runPolicy(t, `{"n": 3}`, append([]string{"eval", "--policies", dir, "-d", more}, args...)...); err != nil || out != want {
			t.Errorf("%v: out %q, want %q, error %v", args, out, want, err)
		}
	}
	if _, _, err := runPolicy(t, "", "eval", "-d", dir, "--fail", "data.sidegate.double"); !errorHas(err, "undefined") {
		t.Errorf("error %v", err)
	}
	if _, _, err := runPolicy(t, "", "eval", "-d", dir, "--fail-defined", "1"); !errorHas(err, "defined") {
		t.Errorf("error %v", err)
	}
	if _, _, err := runPolicy(t, "", "eval", "-d", dir, "--allow-builtin", "opa.runtime", "opa.runtime().env"); err != nil {
		t.Errorf("error %v", err)
	}
	if _, _, err := runPolicy(t, "", "eval", "-d", dir, "--allow-builtin", "exec", "1"); !errorHas(err, "exec") {
		t.Errorf("error %v", err)
	}
	out, stderr, err := runPolicy(t, "", "eval", "--policies", dir, "--json", "--trace", "1 + 1")
	if err != nil || !strings.Contains(out, `"expressions": [`) || !strings.Contains(stderr, "Enter") {
		t.Errorf("out %q, stderr %q, error %v", out, stderr, err)
	}
	if _, _, err := runPolicy(t, "", "eval", "--policies", dir, "-i", filepath.Join(dir, "none"), "1"); !os.IsNotExist(err) {
		t.Errorf("error %v", err)
	}
	if _, _, err := runPolicy(t, "", "eval", "1"); !errorHas(err, "no policies are named") {
		t.Errorf("error %v", err)
	}
}
