package landlock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// replace puts a new file in the place of another, as package managers do.
func replace(t testing.TB, path string) {
	t.Helper()
	must(t, os.WriteFile(path+".new", []byte("new"), 0o666))
	must(t, os.Rename(path+".new", path))
}

// TestReplaced: whatever happens to the paths, the next ruleset covers what they lead to then.
func TestReplaced(t *testing.T) {
	t.Parallel()
	supported(t)
	for name, change := range map[string]struct {
		change func(t *testing.T, dir string)
		want   error
	}{
		"a file is replaced":         {func(t *testing.T, dir string) { replace(t, dir+"/file") }, nil},
		"a missing file appears":     {func(t *testing.T, dir string) { replace(t, dir+"/later") }, nil},
		"a file below a missing dir": {func(t *testing.T, dir string) { must(t, os.Mkdir(dir+"/no", 0o777)); replace(t, dir+"/no/file") }, nil},
		"what a link leads to":       {func(t *testing.T, dir string) { replace(t, dir+"/sub/target") }, nil},
		"a link leads elsewhere": {func(t *testing.T, dir string) {
			must(t, os.Remove(dir+"/link"))
			must(t, os.Symlink("sub/other", dir+"/link"))
		}, nil},
		"a file becomes a link": {func(t *testing.T, dir string) {
			must(t, os.Remove(dir+"/file"))
			must(t, os.Symlink("sub/other", dir+"/file"))
		}, unix.ELOOP},
		"a file is gone":             {func(t *testing.T, dir string) { must(t, os.Remove(dir+"/file")) }, unix.ENOENT},
		"an optional file is gone":   {func(t *testing.T, dir string) { must(t, os.Remove(dir+"/optional")) }, nil},
		"a file becomes a directory": {func(t *testing.T, dir string) { must(t, os.Remove(dir+"/file")); must(t, os.Mkdir(dir+"/file", 0o777)) }, nil},
		"its directory is replaced": {func(t *testing.T, dir string) {
			must(t, os.Rename(dir+"/in", dir+"/old"))
			must(t, os.Mkdir(dir+"/in", 0o777))
			replace(t, dir+"/in/file")
		}, nil},
		"and with the same times": {func(t *testing.T, dir string) {
			replace(t, dir+"/file")
			must(t, os.Chtimes(dir, time.Unix(1, 0), time.Unix(1, 0)))
		}, nil},
		"nothing that matters at all": {func(t *testing.T, dir string) { replace(t, dir+"/unrelated") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, sub := range []string{"sub", "in"} {
				must(t, os.Mkdir(filepath.Join(dir, sub), 0o777))
			}
			for _, file := range []string{"file", "optional", "sub/target", "sub/other", "in/file"} {
				must(t, os.WriteFile(filepath.Join(dir, file), []byte("old"), 0o666))
			}
			must(t, os.Symlink("sub/target", filepath.Join(dir, "link")))
			must(t, os.Chtimes(dir, time.Unix(1, 0), time.Unix(1, 0)))
			template := open(t,
				Rule{Path: dir + "/file", Rights: Read},
				Rule{Path: dir + "/optional", Rights: Read, Optional: true},
				Rule{Path: dir + "/later", Rights: Read, Optional: true},
				Rule{Path: dir + "/no/file", Rights: Read, Optional: true},
				Rule{Path: dir + "/link", Rights: Read, Follow: true},
				Rule{Path: dir + "/in/file", Rights: Read},
			)
			// Long enough later for the directories to be relied on, and soon enough after the last complete look.
			now := time.Now().Add(2 * settled)
			for range 2 {
				if changed, err := template.watch.refresh(template.support, template.entries, now); changed || err != nil {
					t.Fatalf("before the change: got %v, %v", changed, err)
				}
			}
			if s := template.watch.suspects(template.entries, now); len(s) != 2 { // the link, and the file whose directory is missing
				t.Errorf("%d entries are looked up although nothing changed", len(s))
			}
			change.change(t, dir)

			_, err := template.watch.refresh(template.support, template.entries, now.Add(lookAgain/2))
			if !errors.Is(err, change.want) {
				t.Fatalf("got %v, want %v", err, change.want)
			}
			if err == nil {
				all(t, template)
				return
			}
			if _, err := template.watch.refresh(template.support, template.entries, now.Add(lookAgain/2)); !errors.Is(err, change.want) {
				t.Errorf("the second time: got %v, want %v", err, change.want)
			}
			os.Remove(dir + "/file")
			replace(t, dir+"/file")
			if _, err := template.watch.refresh(template.support, template.entries, now.Add(lookAgain/2)); err != nil {
				t.Error("after it was repaired:", err)
			}
			all(t, template)
		})
	}
}

// all tries to read every path of the template, as it is now, under a ruleset of it.
func all(t *testing.T, template *Template) {
	t.Helper()
	template.mu.Lock()
	template.dropSpares()
	fd, err := template.make(Options{})
	template.mu.Unlock()
	must(t, err)
	f := os.NewFile(uintptr(fd), "ruleset")
	defer f.Close()
	restricted(t, f, func() {
		for i := range template.entries {
			path := template.entries[i].rule.Path
			if fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil && !errors.Is(err, unix.ENOENT) {
				t.Errorf("%s: %v", filepath.Base(path), err)
			} else if err == nil {
				unix.Close(fd)
			}
		}
	})
}

// TestReplacedRuleset: through the front door, with a ruleset that was made ahead.
func TestReplacedRuleset(t *testing.T) {
	t.Parallel()
	supported(t)
	path := filepath.Join(t.TempDir(), "resolv.conf")
	replace(t, path)
	template := open(t, Rule{Path: path, Rights: Read})
	for range 3 {
		old := ruleset(t, template, Options{})
		template.filling.Wait()
		replace(t, path)
		read := func(want error) func() {
			return func() {
				fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
				unix.Close(fd)
			}
		}
		restricted(t, old, read(unix.EACCES)) // or it was not replaced
		restricted(t, ruleset(t, template, Options{}), read(nil))
	}
}

// TestReplacedDirectory: a directory that is replaced is noticed after a second.
func TestReplacedDirectory(t *testing.T) {
	t.Parallel()
	supported(t)
	dir := filepath.Join(t.TempDir(), "dir")
	must(t, os.Mkdir(dir, 0o777))
	template := open(t, Rule{Path: dir, Rights: Read})
	now := time.Now()
	_, err := template.watch.refresh(template.support, template.entries, now)
	must(t, err)
	must(t, os.Rename(dir, dir+".old"))
	must(t, os.Mkdir(dir, 0o777))
	if changed, err := template.watch.refresh(template.support, template.entries, now.Add(lookAgain)); err != nil || !changed {
		t.Errorf("got %v, %v", changed, err)
	}
	all(t, template)
}
