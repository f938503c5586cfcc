package daemon

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestNotesOfHost: a sysctl that opens the gateway's memory is told, with what to do; nothing else is.
func TestNotesOfHost(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "suid_dumpable")
	if notes := hostNotes(file); len(notes) > 0 {
		t.Errorf("without the file: %q", notes)
	}
	for text, noted := range map[string]bool{"0\n": false, "1\n": true, "1": true, "2\n": false, "": false, "10\n": false} {
		write(t, file, text, 0o644)
		notes := hostNotes(file)
		if (len(notes) == 1) != noted || len(notes) > 1 {
			t.Errorf("%q: %q", text, notes)
		}
		for _, note := range notes {
			if !strings.HasPrefix(note, file+" is 1") || !strings.Contains(note, "sysctl -w fs.suid_dumpable=0") {
				t.Errorf("%q: %q", text, note)
			}
		}
	}
}
