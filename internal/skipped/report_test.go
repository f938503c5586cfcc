package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// took is what differs from run to run.
var took = regexp.MustCompile(`\d+\.\d+s|0x[0-9a-f]+`)

// runTests runs the tests of a module with these files.
func runTests(t *testing.T, files map[string]string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module m\n\ngo 1.26\n"
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs strings.Builder
	code = run([]string{"./..."}, dir, &out, &errs)
	return code, took.ReplaceAllString(out.String(), "…"), errs.String()
}

// TestQuietWhenAllPasses: of what passes there is one line for each package, and each skipped test is told with its reason.
func TestQuietWhenAllPasses(t *testing.T) {
	t.Parallel()
	code, out, stderr := runTests(t, map[string]string{
		"a/a_test.go": `package a

import (
	"fmt"
	"testing"
)

func TestPasses(t *testing.T) { fmt.Println("noise"); t.Log("more noise") }

func TestSkips(t *testing.T) { t.Log("it is", "late"); t.Skip("needs root") }

func TestBelow(t *testing.T) {
	t.Run("here", func(t *testing.T) {})
	t.Run("there", func(t *testing.T) { t.SkipNow() })
	for range 3 {
		t.Run("", func(t *testing.T) { t.Skip("not today") })
	}
}
`,
	})
	want := `ok  	m/a	…

skipped:
  m/a TestBelow (3 cases): a_test.go:16: not today
  m/a TestBelow/there: it does not say why
  m/a TestSkips: a_test.go:10: it is late a_test.go:10: needs root
`
	if code != 0 || out != want || stderr != "" {
		t.Errorf("exit code %d, got\n%swant\n%s%s", code, out, want, stderr)
	}
}

// TestFailuresAreShownInFull: of what fails, panics or does not compile everything is there that go test says, and its exit
// code.
func TestFailuresAreShownInFull(t *testing.T) {
	t.Parallel()
	code, out, stderr := runTests(t, map[string]string{
		"a/a_test.go": `package a

import (
	"fmt"
	"testing"
)

func TestPasses(t *testing.T) { fmt.Println("noise") }

func TestFails(t *testing.T) {
	t.Log("before")
	t.Run("good", func(t *testing.T) { t.Log("noise") })
	t.Run("bad", func(t *testing.T) { fmt.Println("printed"); t.Error("it is broken") })
}
`,
		"b/b_test.go": `package b

import "testing"

func TestPanics(t *testing.T) { panic("no way out") }
`,
		"c/c.go":      "package c\n\nvar x int = \"text\"\n",
		"c/c_test.go": "package c\n",
		"e/e.go":      "package e\n",
		"d/d_test.go": `package d

import (
	"os"
	"testing"
)

func TestExits(t *testing.T) { t.Log("last words"); os.Exit(3) }
`,
	})
	if code != 1 {
		t.Errorf("the exit code is %d", code)
	}
	for _, want := range []string{
		"--- FAIL: TestFails (…)\n    a_test.go:11: before\n--- FAIL: TestFails/bad (…)\nprinted\n    a_test.go:13: it is broken\n", "FAIL\tm/a\t…\n",
		"panic: no way out", "b_test.go:5 +…", "FAIL\tm/b\t…\n",
		"c/c.go:3:13: cannot use \"text\"", "FAIL\tm/c [build failed]\n",
		"last words", "FAIL\tm/d\t…\n",
		"?   \tm/e\t[no test files]\n",
		"\nno test was skipped\n\nfailed: m/",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, unwanted := range []string{"noise", "=== ", "PASS", "TestPasses", "good"} {
		if strings.Contains(out, unwanted) {
			t.Errorf("%q is there", unwanted)
		}
	}
	if t.Failed() {
		t.Logf("the output is\n%s%s", out, stderr)
	}
}

// TestWhatIsNoEvent: nothing is lost that go prints otherwise, nor of a package that did not come to its end.
func TestWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	r := newReport(&out)
	err := r.read(strings.NewReader(`not an event
{"Action":"run","Package":"p","Test":"T"}
{"Action":"output","Package":"p","Test":"T","Output":"=== RUN   T\n"}
{"Action":"output","Package":"p","Test":"T","Output":"so far\n"}
{"Action":"output","Package":"p","Output":"signal: killed\n"}
last words`))
	r.end()
	if want := "not an event\nlast wordsso far\nsignal: killed\n\nno test was skipped\n"; err != nil || out.String() != want {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

// TestSkippedScript: of a script that skips only the reason is told, and not its log.
func TestSkippedScript(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	r := newReport(&out)
	err := r.read(strings.NewReader(`{"Action":"output","Package":"github.com/sidegate/sidegate/p","Test":"T/s","Output":"    cmd.go:1: no compiler\n"}
{"Action":"output","Package":"github.com/sidegate/sidegate/p","Test":"T/s","Output":"    testscript.go:2: WORK=/tmp\n"}
{"Action":"output","Package":"github.com/sidegate/sidegate/p","Test":"T/s","Output":"        > skip\n"}
{"Action":"skip","Package":"github.com/sidegate/sidegate/p","Test":"T/s"}
{"Action":"pass","Package":"github.com/sidegate/sidegate/p","Test":"T"}
{"Action":"pass","Package":"github.com/sidegate/sidegate/p"}
`))
	r.end()
	if want := "\nskipped:\n  p T/s: cmd.go:1: no compiler\n"; err != nil || out.String() != want {
		t.Errorf("got %q, %v", out.String(), err)
	}
}
