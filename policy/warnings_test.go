package policy

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const slips = `package sidegate

import data.sidegate.never

decision := {"allow": true, "grants": ["slips"], "reasons": [], "obligations": {}}

f(used, idle) := used

y if {
	limit := 3
	limti := 4
	input.request.timeout_ms < limit
}
`

// What only OPA's strict mode refuses does not keep a policy from deciding, and
// is said with file and line, in the log and in the status.
func TestUnusedIsAWarning(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	dir := t.TempDir()
	write(t, dir, map[string]string{"p.rego": slips})
	e, _ := open(t, Config{Paths: []string{dir}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if d := decide(t, e, oneCommand()); !d.Allow {
		t.Errorf("decision %+v", d)
	}
	warned := e.Status().Warnings
	want := []string{"p.rego:3: rego_compile_error: import data.sidegate.never unused",
		"p.rego:7: rego_compile_error: unused argument idle", "p.rego:11: rego_compile_error: assigned var limti unused"}
	if len(warned) != len(want) {
		t.Fatalf("warnings %q", warned)
	}
	e.Close(t.Context())
	for i, w := range want {
		if !strings.Contains(warned[i].String(), dir+"/"+w) || strings.Count(log.String(), w) != 1 {
			t.Errorf("want %q, got %q and the log\n%s", w, warned[i], log.String())
		}
	}
}

func TestWarningsEndWithTheirPolicy(t *testing.T) {
	t.Parallel()
	_, changes, dir := openFiles(t, map[string]string{"p.rego": slips})
	// A real mistake beside them is an error, and not one of theirs.
	write(t, dir, map[string]string{"q.rego": "package sidegate.q\n\nx if input.shell.commadns\n"})
	if s := await(t, changes, broken); strings.Contains(s.LastError.Error(), "unused") || len(s.Warnings) != 3 {
		t.Errorf("status %+v", s)
	}
	write(t, dir, map[string]string{"q.rego": "package sidegate.q\n", "p.rego": allows("clean")})
	if s := await(t, changes, good); len(s.Warnings) > 0 {
		t.Errorf("status %+v", s)
	}
}

// A bundle full of slips does not fill the log.
func TestWarningsAreFew(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString(allows("a"))
	for i := range 1000 {
		fmt.Fprintf(&text, "\nf%d(idle) := 1\n", i)
	}
	e, _, _ := openFiles(t, map[string]string{"p.rego": text.String()})
	if n := len(e.Status().Warnings); !e.Status().Ready || n == 0 || n > 20 {
		t.Errorf("%d warnings, %v", n, e.Status().LastError)
	}
}
