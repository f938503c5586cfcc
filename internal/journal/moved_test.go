package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A journal that would not be found by the next start takes nothing new. What runs may still end, and once everything is back all goes on.
func TestMoved(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(dir string) (back func() error, err error){
		"the directory": func(dir string) (func() error, error) {
			return func() error { return os.Rename(dir+".moved", dir) }, os.Rename(dir, dir+".moved")
		},
		"another directory in its place": func(dir string) (func() error, error) {
			err := errors.Join(os.Rename(dir, dir+".moved"), os.CopyFS(dir, os.DirFS(dir+".moved")))
			return func() error { return errors.Join(os.RemoveAll(dir), os.Rename(dir+".moved", dir)) }, err
		},
		"the file":      moving(fileName),
		"the WAL":       moving(fileName + "-wal"),
		"the lock file": moving(lockName),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "state")
			j := openTest(t, dir)
			running := inState(t, j, Running)
			must(t, j.Writable(t.Context()))
			back, err := move(dir)
			must(t, err)
			if err := j.Writable(t.Context()); !errors.Is(err, ErrMoved) {
				t.Errorf("Writable: %v", err)
			}
			if err := j.Admit(t.Context(), admission("refused")); !errors.Is(err, ErrMoved) {
				t.Errorf("Admit: %v", err)
			}
			must(t, j.Finish(t.Context(), outcome(running)))
			must(t, back())
			must(t, j.Admit(t.Context(), admission("taken")))
		})
	}
}

func moving(name string) func(dir string) (func() error, error) {
	return func(dir string) (func() error, error) {
		file := filepath.Join(dir, name)
		return func() error { return os.Rename(file+".moved", file) }, os.Rename(file, file+".moved")
	}
}
