package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// dig makes a directory of that many levels in dir, as a command would that is not to be kept by the length of paths: it makes short chains, and puts
// each above those before.
func dig(dir string, levels int) error {
	const chain = 100
	link := func(name string) string { return filepath.Join(dir, name) }
	for made := 0; made < levels; made += chain {
		at := link("new")
		if err := os.Mkdir(at, 0o700); err != nil {
			return err
		}
		for range chain - 1 {
			at += "/d"
			if err := os.Mkdir(at, 0o700); err != nil {
				return err
			}
		}
		if made > 0 {
			if err := os.Rename(link("deep"), at+"/d"); err != nil {
				return err
			}
		}
		if err := os.Rename(link("new"), link("deep")); err != nil {
			return err
		}
	}
	return nil
}

func TestEmptyDir(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, fill := range map[string]func(dir string) error{
		"nothing":    func(string) error { return nil },
		"very deep":  func(dir string) error { return dig(dir, 10_000) },
		"many files": func(dir string) error { return makeFiles(dir, 3000) },
		"many levels with files": func(dir string) error {
			for range 30 {
				dir = filepath.Join(dir, "0") // what directories that are moved are called as well
				if err := errors.Join(os.Mkdir(dir, 0o700), makeFiles(dir, 3), os.WriteFile(filepath.Join(dir, "1"), nil, 0o600),
					os.MkdirAll(filepath.Join(dir, "2", "3"), 0o700)); err != nil {
					return err
				}
			}
			return nil
		},
		"modes": func(dir string) error {
			closed := filepath.Join(dir, "a", "b", "c")
			return errors.Join(os.MkdirAll(closed, 0o700), makeFiles(closed, 2), os.Chmod(closed, 0), os.Chmod(filepath.Dir(closed), 0o500),
				os.Chmod(filepath.Join(dir, "a"), 0o100), os.Chmod(dir, 0))
		},
		"links": func(dir string) error {
			return errors.Join(os.Symlink(filepath.Dir(outside), filepath.Join(dir, "link")), os.Mkdir(filepath.Join(dir, "d"), 0o700),
				os.Symlink(filepath.Dir(outside), filepath.Join(dir, "d", "link")), os.Link(outside, filepath.Join(dir, "hard")))
		},
		"others": func(dir string) error {
			return errors.Join(unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600), bindAt(filepath.Join(dir, "s")), os.WriteFile(filepath.Join(dir, "\xff\n"), nil, 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "executor-test-") // not t.TempDir, which is removed by going down into it
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			if err := fill(dir); err != nil {
				t.Fatal(err)
			}
			if err := emptyDir(dir); err != nil {
				t.Error(err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("%v is left, %v", left, err)
			}
		})
	}
	t.Cleanup(func() {
		if _, err := os.Stat(outside); err != nil {
			t.Errorf("a file outside: %v", err)
		}
	})
}

func makeFiles(dir string, n int) error {
	for i := range n {
		if err := os.WriteFile(fmt.Sprintf("%s/file-%d", dir, i), nil, 0o600); err != nil {
			return err
		}
	}
	return nil
}
