package executor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A file that was no script and becomes one in place is read again, whatever times it is given.
func TestBinaryBecomesAScript(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "program")
	first := "\x7fELF" + strings.Repeat("x", 40)
	if err := os.WriteFile(path, []byte(first), 0o755); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour)
	look := func() (string, bool) {
		t.Helper()
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
		f, err := openExact(path, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		interpreter, _, err := shebang(f)
		if err != nil {
			t.Fatal(err)
		}
		s, certain := versionOf(int(f.Fd()))
		return interpreter, certain || noScripts.has(s)
	}
	if name, kept := look(); name != "" || kept {
		t.Errorf("interpreter %q, and that is remembered of a file that was just made: %v", name, kept)
	}
	script := "#!/bin/sh\n"
	if err := os.WriteFile(path, []byte(script+strings.Repeat("#", len(first)-len(script))), 0o755); err != nil {
		t.Fatal(err)
	}
	if name, _ := look(); name != "/bin/sh" {
		t.Errorf("interpreter %q", name)
	}
}

// What was settled when it was read is not read again, and any change makes it another version.
func TestSettledBinaryIsRemembered(t *testing.T) {
	t.Parallel()
	f, err := openProgram("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if name, _, err := shebang(f); name != "" || err != nil {
		t.Fatal(name, err)
	}
	s, certain := versionOf(int(f.Fd()))
	if !certain {
		t.Skip("/bin/true was changed just now")
	}
	if !noScripts.has(s) {
		t.Error("it is not remembered")
	}
	for _, other := range []func(*version){
		func(s *version) { s.ino++ }, func(s *version) { s.dev++ }, func(s *version) { s.size++ },
		func(s *version) { s.modified.Nsec++ }, func(s *version) { s.changed.Nsec++ },
	} {
		changed := s
		if other(&changed); noScripts.has(changed) {
			t.Errorf("%+v is taken for %+v", changed, s)
		}
	}
	var b binaries
	for i := range 2*maxBinaries + 5 {
		b.add(version{ino: uint64(i)})
	}
	if len(b.known) > maxBinaries {
		t.Errorf("%d are remembered", len(b.known))
	}
}
