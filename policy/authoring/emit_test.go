package authoring

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sidegate/sidegate/policy"
)

// echoing is a policy that answers with what it was asked.
const echoing = `package sidegate

decision := {"allow": true, "grants": [input.request.command, input.request.workdir], "reasons": [], "obligations": {"env": {"set": input.request.env}}}
`

// hostile are texts that would end a string, a comment or a rule, if they were written as they are.
var hostile = []string{
	"plain", `"`, `\`, "`", "\n", "\r\n# METADATA\n", "\"}\n}\ntest_evil := true #", "${x} {{y}} $\"{z}\"", "\x00\x01\x1b[31m\x7f", "\u202e\u2028\u2066 \U000e0041 \U0001F600",
	"a\xff\xfeb", "- a: b\n? c", "'", "%s %d", strings.Repeat("x", 5000), "# METADATA", "\u0085\ufeff",
}

func writeTests(t testing.TB, text string) []TestResult {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.rego"), []byte(echoing), 0o600); err != nil {
		t.Fatal(err)
	}
	about := []string{"about " + text}
	cases := []Case{
		{text, about, policy.Input{Request: policy.Request{Command: text, Workdir: "/srv", Env: map[string]string{text: text}}}, []string{"allow", "grants", "obligations"}},
		{"other", about, policy.Input{Request: policy.Request{Argv: policy.Argv{text, text}}}, []string{"allow"}},
	}
	content, err := Tests(t.Context(), []string{dir}, text, about, cases, nil)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x_test.rego"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := FormatSource("x", content)
	if err != nil || string(again) != string(content) {
		t.Errorf("%q: what is written is not formatted (%v)", text, err)
	}
	for _, r := range string(content) {
		if r == 0x7f || r == '\u202e' || r < ' ' && r != '\n' && r != '\t' {
			t.Errorf("%q: %q is in the file as it is", text, r)
		}
	}
	report, err := Test(t.Context(), []string{dir}, TestOptions{})
	if err != nil {
		t.Fatalf("%q: %v\n%s", text, err, content)
	}
	return report.Tests
}

// valid tells how many of the tests of writeTests a file can hold.
func valid(text string) int {
	if !utf8.ValidString(text) {
		return 0
	}
	return 2
}

// Tests hold what they were made from, whatever that is, and fail for another answer.
func TestTests(t *testing.T) {
	t.Parallel()
	for _, text := range hostile {
		results := writeTests(t, text)
		if len(results) != valid(text) || slices.ContainsFunc(results, func(r TestResult) bool { return r.Outcome != Pass }) {
			t.Errorf("%q: %+v", text, results)
		}
	}
	dir := t.TempDir()
	cases := []Case{{Name: "x", Keys: []string{"allow"}, Input: policy.Input{}}}
	file := filepath.Join(dir, "p.rego")
	if err := os.WriteFile(file, []byte("package sidegate\n\ndecision := {\"allow\": false, \"grants\": [], \"reasons\": [\"no\"], \"obligations\": {}} if input.request.command == \"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	content, err := Tests(t.Context(), []string{dir}, "x", nil, cases, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x_test.rego"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(echoing), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := Test(t.Context(), []string{dir}, TestOptions{})
	if err != nil || len(report.Tests) != 1 || report.Tests[0].Outcome != Fail {
		t.Errorf("%+v, %v", report, err)
	}
	cases[0].Keys = []string{"grounds"}
	if _, err := Tests(t.Context(), []string{dir}, "x", nil, cases, nil); err == nil || !strings.Contains(err.Error(), "no decision with grounds") {
		t.Errorf("error %v", err)
	}
}

func FuzzTests(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		results := writeTests(t, text)
		if len(results) != valid(text) || slices.ContainsFunc(results, func(r TestResult) bool { return r.Outcome != Pass }) {
			t.Errorf("%q: %+v", text, results)
		}
	})
}
