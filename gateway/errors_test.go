package gateway

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"testing"
)

// TestEveryCodeHasAStatus reads the declared codes from the source, so that a new one cannot be forgotten in the table.
func TestEveryCodeHasAStatus(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Code" {
			declared += len(spec.Names)
		}
		return true
	})
	if declared == 0 || declared != len(kinds) {
		t.Errorf("%d codes are declared, %d have a status", declared, len(kinds))
	}
	for code, kind := range kinds {
		if http.StatusText(kind.status) == "" || kind.status < 400 || kind.title == "" {
			t.Errorf("%s has status %d and title %q", code, kind.status, kind.title)
		}
	}
	if got := (&Error{Code: "made up"}).Status(); got != http.StatusInternalServerError {
		t.Errorf("an unknown code answers %d, want 500", got)
	}
}

func TestWhatHasNoCodeIsInternalAndStaysInTheLog(t *testing.T) {
	t.Parallel()
	refusal := (&Gateway{}).refusal(errors.New("the secret is hunter2"))
	if refusal.Code != Internal || refusal.Status() != 500 || refusal.Message != "the gateway failed; its log says why" {
		t.Errorf("got %+v", refusal)
	}
}

// TestUndecidedRefusalsKeepTheNonce pins which refusals let the caller send the same bytes again.
func TestUndecidedRefusalsKeepTheNonce(t *testing.T) {
	t.Parallel()
	want := map[Code]bool{RateLimited: true, QueueFull: true, PluginBusy: true, Overloaded: true, PolicyNotLoaded: true, ShuttingDown: true, JournalUnavailable: true}
	for code := range kinds {
		if got := (&Error{Code: code}).undecided(); got != want[code] {
			t.Errorf("%s: undecided is %v", code, got)
		}
	}
}
