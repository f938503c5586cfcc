package authoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/policy"
)

const uglyRego = "package sidegate\nx=1\n\n\n# kept\ny:=[1,\n2] # kept too\nallow if{x==1;not y}\n"

func TestFormat(t *testing.T) {
	dir := writeFiles(t, map[string]string{"b.rego": uglyRego, "a.rego": "package sidegate\n", "c.json": "{}"})
	var names []string
	err := Format([]string{dir}, func(f Formatted) error {
		names = append(names, filepath.Base(f.File))
		if again, err := FormatSource("again", f.After); err != nil || string(again) != string(f.After) {
			t.Errorf("formatting again gives %q, %v", again, err)
		}
		if f.Changed() != strings.HasSuffix(f.File, "b.rego") {
			t.Errorf("changed %v: %s", f.Changed(), f.File)
		}
		return nil
	})
	if err != nil || strings.Join(names, " ") != "a.rego b.rego" {
		t.Errorf("files %v, error %v", names, err)
	}
	_, err = FormatSource("bad.rego", []byte("package sidegate\n\nx :=\n"))
	if p := policy.Problems(err); len(p) == 0 || p[0].File != "bad.rego" || p[0].Line == 0 {
		t.Errorf("problems %v of %v", p, err)
	}
	if err := Format([]string{filepath.Join(dir, "none")}, nil); !os.IsNotExist(err) {
		t.Errorf("error %v", err)
	}
}

// What Diff writes, patch makes of one text the other.
func TestDiff(t *testing.T) {
	t.Parallel()
	patch, err := exec.LookPath("patch")
	if err != nil {
		t.Log("no patch on PATH: only the texts are compared")
	}
	long := strings.Repeat("same\n", 20)
	for name, test := range map[string]struct {
		before, after string
		hunks         int
	}{
		"equal":            {"a\n", "a\n", 0},
		"from nothing":     {"", "a\nb\n", 1},
		"to nothing":       {"a\nb\n", "", 1},
		"in the middle":    {long + "a\n" + long, long + "b\n" + long, 1},
		"two places":       {"a\n" + long + "b\n", "c\n" + long + "d\n", 2},
		"near each other":  {"a\n1\n2\n3\n4\n5\nb\n", "c\n1\n2\n3\n4\n5\nd\n", 1},
		"added and gone":   {"a\nb\nc\nd\n" + long, "b\nc\nx\nd\n" + long, 1},
		"no newline left":  {"a\nb\n", "a\nb", 1},
		"no newline right": {"a\nb", "a\nb\nc\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			diff := Diff("p.rego", []byte(test.before), []byte(test.after))
			if got := strings.Count("\n"+string(diff), "\n@@ "); got != test.hunks {
				t.Errorf("%d hunks, want %d:\n%s", got, test.hunks, diff)
			}
			if patch == "" || len(diff) == 0 {
				return
			}
			dir := writeFiles(t, map[string]string{"p.rego": test.before})
			cmd := exec.CommandContext(t.Context(), patch, "--silent", "p.rego")
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(string(diff))
			out, err := cmd.CombinedOutput()
			got, _ := os.ReadFile(filepath.Join(dir, "p.rego"))
			if err != nil || string(got) != test.after {
				t.Errorf("patch: %s, %v: %q, want %q from\n%s", out, err, got, test.after, diff)
			}
		})
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rego string
		line int // of the warning; 0 for none
	}{
		"a default that allows":          {"default allow := true", 3},
		"no reasons":                     {"allow if count(reasons) == 0", 3},
		"no reasons, the other way":      {"allow if 0 == count(reasons)", 3},
		"an empty set":                   {"allow if reasons == set()", 3},
		"only negations":                 {"allow if {\n\tnot denied\n\tnot other\n}", 3},
		"in an else":                     {"allow := false if denied\n\nelse := true if not other", 5},
		"a decision by its reasons":      {`decision := {"allow": count(reasons) == 0, "grants": [], "reasons": [], "obligations": {}}`, 3},
		"a decision without objections":  {`decision := {"allow": true} if not denied`, 3},
		"a default decision that allows": {`default decision := {"allow": true}`, 3},
		"a grant":                        {"allow if {\n\tcovered\n\tcount(reasons) == 0\n}", 0},
		"a denial":                       {`decision := {"allow": false} if not allow`, 0},
		"a default that denies":          {"default allow := false", 0},
		"something present":              {"allow if count(grants) > 0", 0},
		"everything, on purpose":         {"allow := true", 0},
		"another rule":                   {"quiet if count(reasons) == 0", 0},
		"a function":                     {"allow(x) if not x", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeFiles(t, map[string]string{"p.rego": "package sidegate\n\n" + test.rego + "\n"})
			warnings, err := Lint(t.Context(), []string{dir}, nil, false)
			if err != nil || len(warnings) > 1 || (len(warnings) == 1) != (test.line > 0) {
				t.Fatalf("warnings %v, error %v", warnings, err)
			}
			if test.line > 0 && warnings[0].Line != test.line {
				t.Errorf("line %d: %v", warnings[0].Line, warnings[0])
			}
		})
	}
	if warnings, err := Lint(t.Context(), []string{"../../policies", "../testdata/small"}, nil, false); err != nil || len(warnings) > 0 {
		t.Errorf("warnings %v, error %v", warnings, err)
	}
	elsewhere := writeFiles(t, map[string]string{"p.rego": "package sidegate.other\n\nallow if not input.x\n"})
	if warnings, err := Lint(t.Context(), []string{elsewhere}, nil, false); err != nil || len(warnings) > 0 {
		t.Errorf("warnings %v, error %v", warnings, err)
	}
}
