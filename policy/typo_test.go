package policy

import (
	"strings"
	"testing"
)

// TestMisspeltFieldIsNotActivated: a rule that says "not" of a field which can never be there would hold for everybody.
func TestMisspeltFieldIsNotActivated(t *testing.T) {
	t.Parallel()
	e, _, _ := openFiles(t, map[string]string{
		"p.rego": "package sidegate\n\ndecision := " + fine + " if not input.request.env_dangerus\n",
	})
	s := e.Status()
	if s.Ready || s.LastError == nil || !strings.Contains(s.LastError.Error(), "undefined ref: input.request.env_dangerus") {
		t.Errorf("ready is %v, the error %v", s.Ready, s.LastError)
	}
}
