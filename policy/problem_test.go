package policy

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// OPA's parser tells most mistakes twice; the one that says why is kept.
func TestProblemsAreToldOnce(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"a := ]":              "expected rule value term",
		"a := {\"b\": 1\n\nc": "non-terminated object",
		"a := [1,,2]":         "expected rule value term",
	} {
		_, err := ast.ParseModuleWithOpts("p.rego", "package p\n\n"+source+"\n", parserOptions())
		if problems := Problems(err); len(problems) != 1 || !strings.Contains(problems[0].Message, want) {
			t.Errorf("%s: %v", source, problems)
		}
	}
}

// The same mistake at two places is two.
func TestProblemsAreAllTold(t *testing.T) {
	t.Parallel()
	problems := Problems(ast.Errors{
		ast.NewError(ast.ParseErr, ast.NewLocation(nil, "p.rego", 5, 1), "unexpected ] token"),
		ast.NewError(ast.ParseErr, ast.NewLocation(nil, "p.rego", 3, 1), "unexpected ] token"),
	})
	if len(problems) != 2 || problems[0].Line != 3 || problems[1].Line != 5 {
		t.Errorf("problems %v", problems)
	}
	if none := Problems(nil); len(none) != 0 {
		t.Errorf("problems of nothing: %v", none)
	}
}

func TestLogTellsASyntaxErrorOnce(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	dir := t.TempDir()
	write(t, dir, map[string]string{"p.rego": "package sidegate\n\ndecision := {\"allow\": false\n\nc\n"})
	e, _ := open(t, Config{Paths: []string{dir}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	e.Close(t.Context())
	if n := strings.Count(log.String(), "policy refused"); n != 1 || !strings.Contains(log.String(), "non-terminated object") {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
}
