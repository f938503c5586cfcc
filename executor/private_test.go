package executor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newPrivates makes a pool whose directories need no time to ripen, with one directory in it.
func newPrivates(t *testing.T, id identity) *privates {
	t.Helper()
	s := newRunner(t, func(c *Config) { c.Concurrency = 2 }).privates
	s.ahead(id)
	s.filling.Wait()
	ripen(s)
	return s
}

// ripen makes all directories that are kept old enough to be given out.
func ripen(s *privates) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range s.idle {
		for _, p := range list {
			p.made = p.made.Add(-time.Hour)
		}
	}
}

func TestPrivateIsUsedAgain(t *testing.T) {
	t.Parallel()
	id := identity{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	s := newPrivates(t, id)
	first, err := s.take(id)
	if err != nil {
		t.Fatal(err)
	}
	if first.seal == (seal{}) {
		t.Fatal("the directory that was made ahead was not given out")
	}
	was := first.path
	if err := s.giveBack(first, true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(was); !os.IsNotExist(err) || first.path == was {
		t.Errorf("it is still where the job had it: %s, %v", first.path, err)
	}
	again, err := s.take(id)
	if err != nil || again != first {
		t.Fatalf("got %v, %v, and not the one that was given back", again, err)
	}
	if now, err := openExact(again.path, unix.O_DIRECTORY); err != nil {
		t.Error(err)
	} else {
		now.Close()
	}
	if err := s.giveBack(again, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(again.path); !os.IsNotExist(err) {
		t.Errorf("it is kept although a process may be left that uses it: %v", err)
	}
}

// Whatever a job does to its directory, no later job gets it.
func TestPrivateIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	id := identity{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	for _, tc := range []struct {
		name string
		do   func(dir string) error
	}{
		{"a file", func(dir string) error { return os.WriteFile(filepath.Join(dir, "file"), nil, 0o600) }},
		{"a file that is gone", func(dir string) error {
			f, err := os.Create(filepath.Join(dir, "file"))
			if err != nil {
				return err
			}
			f.Close()
			return os.Remove(f.Name())
		}},
		{"a directory", func(dir string) error { return os.Mkdir(filepath.Join(dir, "sub"), 0o700) }},
		{"its mode", func(dir string) error { return os.Chmod(dir, 0o777) }},
		{"its mode and back", func(dir string) error {
			if err := os.Chmod(dir, 0o777); err != nil {
				return err
			}
			return os.Chmod(dir, 0o700)
		}},
		{"an attribute", func(dir string) error { return unix.Setxattr(dir, "user.note", []byte("x"), 0) }},
		{"its times", func(dir string) error { return os.Chtimes(dir, time.Unix(1, 0), time.Unix(1, 0)) }},
		{"its times, set to what they were", func(dir string) error {
			info, err := os.Stat(dir)
			if err != nil {
				return err
			}
			return os.Chtimes(dir, info.ModTime(), info.ModTime())
		}},
		{"replaced", func(dir string) error {
			if err := os.Remove(dir); err != nil {
				return err
			}
			return os.Mkdir(dir, 0o700)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newPrivates(t, id)
			p, err := s.take(id)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(ripeTime) // so long the real one has been there before a job gets it
			if err := tc.do(p.path); err != nil {
				t.Skip(err)
			}
			if err := s.giveBack(p, true); err != nil {
				t.Fatal(err)
			}
			if s.settled(ownership{id.uid, id.gid}) != nil {
				t.Error("it is kept")
			}
			if _, err := os.Stat(p.path); !os.IsNotExist(err) {
				t.Errorf("it is still there: %v", err)
			}
		})
	}
}

// One that was made a moment ago may have been changed in the same step of the file system's clock.
func TestFreshPrivateIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	id := identity{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	s := newRunner(t, func(c *Config) { c.Concurrency = 2 }).privates
	s.ahead(id)
	s.filling.Wait()
	p, err := s.take(id)
	if err != nil {
		t.Fatal(err)
	}
	if p.seal != (seal{}) {
		t.Error("one that is not ripe was given out")
	}
	if err := s.giveBack(p, true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.path); !os.IsNotExist(err) {
		t.Errorf("it is kept: %v", err)
	}
}

// Users do not get each other's directories, and no more are kept than asked for; none outlives the Runner.
func TestPrivateBelongsToOneUser(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	r, err := New(Config{WorkRoot: filepath.Join(openDir(t), "work"), Concurrency: 3})
	if err != nil {
		t.Fatal(err)
	}
	s := r.privates
	ids := []identity{{}, {uid: 65534, gid: 65534, switches: true}, {uid: 65533, gid: 65534, switches: true}}
	for range 3 {
		for _, id := range ids {
			p, err := s.take(id)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(p.path)
			if err != nil {
				t.Fatal(err)
			}
			if owner := ownerIn(info); owner.uid != id.uid || owner.gid != id.gid {
				t.Errorf("user %d got a directory of %d, %d", id.uid, owner.uid, owner.gid)
			}
			s.filling.Wait()
			if err := s.giveBack(p, true); err != nil {
				t.Fatal(err)
			}
		}
		ripen(s)
	}
	if entries, err := os.ReadDir(s.root); err != nil || len(entries) > 3 {
		t.Errorf("%d directories are kept, %v", len(entries), err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(s.root); err != nil || len(entries) > 0 {
		t.Errorf("%d directories are left, %v", len(entries), err)
	}
}

// What commands do to their TMPDIR is not seen by the next ones, however many of them take turns.
func TestPrivateAcrossJobs(t *testing.T) {
	t.Parallel()
	r := newRunner(t, func(c *Config) { c.Concurrency = 2 })
	var used []string
	for i := range 40 {
		leave := ":"
		if i%3 == 0 {
			leave = `echo secret > "$TMPDIR/left"; chmod 755 "$TMPDIR"`
		}
		job := script(t, fmt.Sprintf(`ls -A "$TMPDIR"; stat -c %%a "$TMPDIR"; stat -c "%%i %%w %%n" "$TMPDIR" >&2; %s`, leave))
		if i%5 == 0 {
			time.Sleep(ripeTime)
		}
		res, err := r.Run(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		found, _ := res.Stdout.Bytes()
		seen, _ := res.Stderr.Bytes()
		directory, path, _ := strings.Cut(strings.TrimSpace(string(seen)), " /") // the inode and when it was made
		if string(found) != "700\n" {
			t.Fatalf("job %d finds %q", i, found)
		}
		if _, err := os.Lstat("/" + path); !os.IsNotExist(err) {
			t.Errorf("job %d: its directory /%s is still there: %v", i, path, err)
		}
		used = append(used, directory)
		res.Close()
	}
	distinct := len(slices.Compact(slices.Sorted(slices.Values(used))))
	t.Logf("%d jobs, %d directories", len(used), distinct)
	if distinct == len(used) {
		t.Error("no directory was used twice")
	}
}
