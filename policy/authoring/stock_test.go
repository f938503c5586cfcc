package authoring

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// stockOPA is the opa command to compare with.
func stockOPA(t *testing.T) string {
	t.Helper()
	opa, err := exec.LookPath("opa")
	if err != nil {
		t.Skip("opa is not on PATH to compare with: make bin/opa builds it, and make race has it")
	}
	return opa
}

// Stock opa finds the same tests with the same outcomes.
func TestSameAsStockOPA(t *testing.T) {
	t.Parallel()
	opa := stockOPA(t)
	for _, path := range []string{"testdata/mixed", "../testdata/small"} {
		out, _ := exec.CommandContext(t.Context(), opa, "test", "--format", "json", path).Output() // fails when a test does
		var theirs []struct {
			Package, Name string
			Fail, Skip    bool
			Error         json.RawMessage
		}
		if err := json.Unmarshal(out, &theirs); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		want := make(map[string]Outcome)
		for _, r := range theirs {
			outcome := Pass
			switch {
			case r.Error != nil:
				outcome = Error
			case r.Skip:
				outcome = Skip
			case r.Fail:
				outcome = Fail
			}
			want[r.Package+"."+r.Name] = outcome
		}
		ours, err := Test(t.Context(), []string{path}, TestOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(ours.Tests) != len(want) || len(want) == 0 {
			t.Errorf("%s: %d tests, stock opa has %d", path, len(ours.Tests), len(want))
		}
		for _, r := range ours.Tests {
			if want[r.Package+"."+r.Name] != r.Outcome {
				t.Errorf("%s: %s is %q, stock opa says %q", path, r.Name, r.Outcome, want[r.Package+"."+r.Name])
			}
		}
	}
}

// Stock opa finds the same mistakes on the same lines, and none in the shipped policies.
func TestSameProblemsAsStockOPA(t *testing.T) {
	t.Parallel()
	const annotated = "# METADATA\n# schemas:\n#   - input: schema.input\npackage sidegate\n\n"
	paths := []string{"../../policies"}
	for _, rule := range []string{
		"a := input.shell.commadns", "a := b", "a if input.request.wait == \"yes\"", "a := input.request.stdin.txet", "a := 1\n\nimport data.x",
		"a if {\n\tx := 1\n}", "a contains x if x := input.shell.commands[_].args[0].vaule",
	} {
		paths = append(paths, writeFiles(t, map[string]string{"p.rego": annotated + rule + "\n"}))
	}
	for _, path := range paths {
		out, _ := exec.CommandContext(t.Context(), stockOPA(t), "check", "--strict", "--schema", "../../schemas", "--format", "json", path).CombinedOutput()
		var theirs struct {
			Errors []struct{ Location struct{ Row int } }
		}
		if err := json.Unmarshal(out, &theirs); err != nil && len(out) > 0 {
			t.Fatalf("%s: %v", out, err)
		}
		ours, err := Check(t.Context(), []string{path}, CheckOptions{})
		if err != nil || len(ours) != len(theirs.Errors) {
			t.Errorf("%s: problems %v, error %v, stock opa: %s", path, ours, err, out)
			continue
		}
		for i := range ours {
			if ours[i].Line != theirs.Errors[i].Location.Row {
				t.Errorf("%v: stock opa: %s", ours[i], out)
			}
		}
		if path != paths[0] && len(ours) == 0 {
			t.Errorf("%s: no problem was found", path)
		}
	}
}

// Stock opa counts the same lines.
func TestSameCoverageAsStockOPA(t *testing.T) {
	t.Parallel()
	const passing = "test_passes|test_an_empty" // stock opa prints no coverage when a test fails
	for _, path := range []string{"testdata/mixed", "../testdata/small"} {
		out, _ := exec.CommandContext(t.Context(), stockOPA(t), "test", "--coverage", "--run", passing, path).Output()
		var theirs struct {
			CoveredLines    int `json:"covered_lines"`
			NotCoveredLines int `json:"not_covered_lines"`
		}
		if err := json.Unmarshal(out, &theirs); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		ours, err := Test(t.Context(), []string{path}, TestOptions{Coverage: true, Run: passing})
		if err != nil {
			t.Fatal(err)
		}
		if c := ours.Coverage; c.Covered != theirs.CoveredLines || c.Lines != theirs.CoveredLines+theirs.NotCoveredLines || c.Covered == 0 {
			t.Errorf("%s: %d of %d lines, stock opa says %d and %d", path, c.Covered, c.Lines, theirs.CoveredLines, theirs.NotCoveredLines)
		}
	}
}

// Stock opa formats the shipped policies, and one that needs it, to the same bytes.
func TestSameFormatAsStockOPA(t *testing.T) {
	opa := stockOPA(t)
	ugly := writeFiles(t, map[string]string{"u.rego": uglyRego})
	files := 0
	err := Format([]string{"../../policies", ugly}, func(f Formatted) error {
		files++
		theirs, err := exec.CommandContext(t.Context(), opa, "fmt", f.File).Output()
		if !bytes.Equal(theirs, f.After) {
			t.Errorf("%s: stock opa differs:\n%s", f.File, Diff(f.File, theirs, f.After))
		}
		return err
	})
	if err != nil || files < 2 {
		t.Errorf("%d files, error %v", files, err)
	}
}

// Stock opa verifies what we sign, and we verify what it signs.
func TestSignaturesOfStockOPA(t *testing.T) {
	t.Parallel()
	opa := stockOPA(t)
	private, public := newKeys(t)
	signed, err := Sign(build(t), private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ours, theirs := filepath.Join(dir, "ours.tar.gz"), filepath.Join(dir, "theirs.tar.gz")
	if err := os.WriteFile(ours, signed, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), opa, "build", "--bundle", ours, "--output", theirs, "--signing-alg", "ES256",
		"--verification-key", public.File, "--verification-key-id", public.ID, "--signing-key", private.File).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	content, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := Inspect(content, &public); err != nil || info.Signature == nil || !info.Signature.Verified {
		t.Errorf("info %+v, error %v", info, err)
	}
}

// The JSON of a query's results is that of stock opa.
func TestSameResultsAsStockOPA(t *testing.T) {
	t.Parallel()
	opa := stockOPA(t)
	for _, query := range []string{"data.sidegate.mixed.double(4)", "x := data.sidegate.mixed.double(4); x > 1", "some n in [1, 2]; data.sidegate.mixed.double(n)", "data.sidegate.mixed.none"} {
		out, err := exec.CommandContext(t.Context(), opa, "eval", "--data", "testdata/mixed/mixed.rego", query).Output()
		if err != nil {
			t.Fatal(err)
		}
		results, err := Eval(t.Context(), []string{"testdata/mixed/mixed.rego"}, query, nil, EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var theirs struct{ Result any }
		if err := json.Unmarshal(out, &theirs); err != nil {
			t.Fatal(err)
		}
		want, _ := json.Marshal(theirs.Result)
		text, err := json.Marshal(results)
		if err != nil {
			t.Fatal(err)
		}
		var ours any
		if err := json.Unmarshal(text, &ours); err != nil {
			t.Fatal(err)
		}
		if len(results) == 0 {
			ours = nil
		}
		if got, _ := json.Marshal(ours); !bytes.Equal(got, want) {
			t.Errorf("%s:\n%s\nstock opa:\n%s", query, got, want)
		}
	}
}
