package policy

import (
	"slices"
	"testing"
)

// A decision says what it called that need not answer alike, where that is asked for: the calls that were made, not those that could be.
func TestNoteCalls(t *testing.T) {
	t.Parallel()
	rules := `package sidegate

default decision := {"allow": false, "grants": [], "reasons": ["no"], "obligations": {}}

decision := {"allow": true, "grants": [], "reasons": [], "obligations": {}} if {
	input.request.command == "now"
	time.now_ns() > 0
	rand.intn("x", 1) == 0
}
`
	for _, noted := range []bool{true, false} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"p.rego": rules})
		e, _ := open(t, Config{Paths: []string{dir}, NoteCalls: noted, AllowBuiltins: []string{"rand.intn"}})
		for command, want := range map[string][]string{"now": {"rand.intn", "time.now_ns"}, "other": nil} {
			d := decide(t, e, Input{Request: Request{Command: command}})
			if !noted {
				want = nil
			}
			if d.Allow != (command == "now") || !slices.Equal(d.Called, want) {
				t.Errorf("noted %v, %s: %+v", noted, command, d)
			}
		}
	}
}
