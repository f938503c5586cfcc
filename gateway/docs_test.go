package gateway

import (
	"os"
	"strings"
	"testing"
)

// TestEveryCodeIsDocumented: docs/api.md promises codes that callers may match on.
func TestEveryCodeIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for code := range statuses {
		if !strings.Contains(string(page), "`"+string(code)+"`") {
			t.Errorf("docs/api.md does not name %s", code)
		}
	}
}
