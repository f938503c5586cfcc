package main

import "testing"

// TestNotReady: what only says something is not what is waited for.
func TestNotReady(t *testing.T) {
	t.Parallel()
	for report, want := range map[string]string{
		`{"checks":[{"name":"policy","ok":false,"detail":"none"},{"name":"plugin a","ok":false,"detail":"fails","advisory":true},{"name":"queue","ok":true}]}`: "policy: none",
		`not found`: "it answers 503 Service Unavailable",
	} {
		if err := notReady("503 Service Unavailable", []byte(report)); err.Error() != want {
			t.Errorf("%s: %v, not %s", report, err, want)
		}
	}
}
