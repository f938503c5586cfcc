package landlock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	s := supported(t)
	if s.ABI < 1 || !s.Filesystem {
		t.Errorf("got %+v", s)
	}
	// Each kernel has what the ones before had.
	for _, f := range []struct {
		abi  int
		name string
		has  bool
	}{
		{2, "refer", s.Refer}, {3, "truncate", s.Truncate}, {4, "tcp", s.TCP}, {5, "ioctl_dev", s.IoctlDev}, {6, "abstract", s.Abstract}, {6, "signal", s.Signal},
		{9, "unix_path", s.UnixPath}, {10, "udp", s.UDP},
	} {
		if want := s.ABI >= f.abi; f.has != want {
			t.Errorf("ABI %d: %s: got %v, want %v", s.ABI, f.name, f.has, want)
		}
	}
	if s.Access(rightsAll)&(unix.LANDLOCK_ACCESS_FS_MAKE_CHAR|unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK) != 0 {
		t.Error("a right allows to make device nodes")
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	supported(t)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o666))
	must(t, os.Symlink("file", filepath.Join(dir, "link")))
	must(t, os.Mkdir(filepath.Join(dir, "dir"), 0o777))
	must(t, os.Symlink("dir", filepath.Join(dir, "dirlink")))
	must(t, os.WriteFile(filepath.Join(dir, "dir/file"), nil, 0o666))
	in := func(name string) string { return filepath.Join(dir, name) }
	self, err := os.Open(dir)
	must(t, err)
	defer self.Close()
	closed, err := os.Open(dir)
	must(t, err)
	closed.Close()

	for name, c := range map[string]struct {
		rule Rule
		want error
	}{
		"missing":                   {Rule{Path: in("missing"), Rights: Read}, unix.ENOENT},
		"missing, links followed":   {Rule{Path: in("missing"), Rights: Read, Follow: true}, unix.ENOENT},
		"below a file":              {Rule{Path: in("file/x"), Rights: Read}, unix.ENOTDIR},
		"link":                      {Rule{Path: in("link"), Rights: Read}, unix.ELOOP},
		"link to a directory":       {Rule{Path: in("dirlink"), Rights: Read}, unix.ELOOP},
		"below a link":              {Rule{Path: in("dirlink/file"), Rights: Read}, unix.ELOOP},
		"magic link":                {Rule{Path: "/proc/self/cwd", Rights: Read, Follow: true}, unix.ELOOP},
		"only list, but a file":     {Rule{Path: in("file"), Rights: List}, unix.ENOTDIR},
		"a file that was closed":    {Rule{File: closed, Rights: Read}, os.ErrClosed},
		"relative":                  {Rule{Path: "etc", Rights: Read}, nil},
		"no path":                   {Rule{Rights: Read}, nil},
		"path and file":             {Rule{Path: dir, File: self, Rights: Read}, nil},
		"no rights":                 {Rule{Path: dir}, nil},
		"unknown rights":            {Rule{Path: dir, Rights: 1 << 7}, nil},
		"optional, but no rights":   {Rule{Path: dir, Optional: true}, nil},
		"optional, but a bad rule":  {Rule{Path: "etc", Rights: Read, Optional: true}, nil},
		"not optional since a file": {Rule{File: closed, Rights: Read, Optional: true}, os.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := func(err error) {
				t.Helper()
				if err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Fatalf("got %v, want %v", err, c.want)
				}
				var about *fs.PathError
				if c.want != nil && (!errors.As(err, &about) || c.rule.File == nil && about.Path != c.rule.Path) {
					t.Errorf("%v does not name the path", err)
				}
			}
			_, _, err := Open([]Rule{{Path: dir, Rights: Read}, c.rule})
			check(err)
			_, _, err = open(t, Rule{Path: dir, Rights: Read}).Ruleset(Options{}, c.rule)
			check(err)
		})
	}
}

// TestMissing: optional paths that are not there are named, of the template and of the extra rules, and take nothing else with them.
func TestMissing(t *testing.T) {
	t.Parallel()
	supported(t)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(in("file"), nil, 0o666))
	must(t, os.Symlink("nowhere", in("dangling")))
	template, missing, err := Open([]Rule{
		{Path: in("a"), Rights: Read, Optional: true},
		{Path: in("file"), Rights: Read, Optional: true},
		{Path: in("dangling"), Rights: Read, Optional: true, Follow: true},
		{Path: in("dangling/"), Rights: Read, Optional: true},
		{Path: in("file/below"), Rights: Read, Optional: true},
	})
	must(t, err)
	defer template.Close()
	want := []string{in("a"), in("dangling"), in("dangling/"), in("file/below")}
	if !slices.Equal(missing, want) {
		t.Errorf("Open: got %q, want %q", missing, want)
	}
	f, missing, err := template.Ruleset(Options{}, Rule{Path: in("b"), Rights: Read, Optional: true})
	must(t, err)
	defer f.Close()
	if want := append(want, in("b")); !slices.Equal(missing, want) {
		t.Errorf("Ruleset: got %q, want %q", missing, want)
	}
	restricted(t, f, func() {
		if fd, err := unix.Open(in("file"), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			t.Error("the rule that was not missing:", err)
		} else {
			unix.Close(fd)
		}
	})
}

// TestExtra: an extra rule, by path and by file, holds for its ruleset alone.
func TestExtra(t *testing.T) {
	t.Parallel()
	supported(t)
	dir, other := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(other, "file"), nil, 0o666))
	fd, err := unix.Open(other, unix.O_PATH|unix.O_CLOEXEC, 0)
	must(t, err)
	file := os.NewFile(uintptr(fd), other)
	defer file.Close()
	template := open(t, Rule{Path: dir, Rights: Read})
	for _, c := range []struct {
		extra []Rule
		want  error
	}{
		{[]Rule{{Path: other, Rights: Read}}, nil},
		{nil, unix.EACCES},
		{[]Rule{{File: file, Rights: Read}}, nil},
		{nil, unix.EACCES},
	} {
		restricted(t, ruleset(t, template, Options{}, c.extra...), func() {
			fd, err := unix.Open(filepath.Join(other, "file"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if !errors.Is(err, c.want) {
				t.Errorf("with %v: got %v, want %v", c.extra, err, c.want)
			}
			unix.Close(fd)
		})
	}
}

// TestClose: nothing stays open, and rulesets outlive their template.
func TestClose(t *testing.T) { // not parallel: it counts descriptors
	supported(t)
	count := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(all)
	}
	dir := t.TempDir()
	before := count()
	template, _, err := Open([]Rule{{Path: dir, Rights: Read}, {Path: "/usr", Rights: Read}})
	must(t, err)
	f, _, err := template.Ruleset(Options{})
	must(t, err)
	for _, fd := range []int{template.entries[0].fd, int(f.Fd())} {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("a descriptor is not closed on exec: %#x, %v", flags, err)
		}
	}
	if _, _, err := template.Ruleset(Options{Network: true}, Rule{Path: "/nowhere", Rights: Read}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("got %v, want ENOENT", err)
	}
	must(t, template.Close())
	must(t, template.Close())
	if _, _, err := template.Ruleset(Options{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Ruleset after Close: got %v, want os.ErrClosed", err)
	}
	restricted(t, f, func() {
		if err := unix.Access("/", unix.F_OK); err != nil {
			t.Error(err)
		}
	})
	must(t, f.Close())
	if after := count(); after != before {
		t.Errorf("%d descriptors were left open", after-before)
	}
}

// TestConcurrent: many at once, while a file is being replaced.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	supported(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	must(t, os.WriteFile(path, nil, 0o666))
	template := open(t, Rule{Path: path, Rights: Read}, Rule{Path: "/usr", Rights: Read})
	stop := time.Now().Add(200 * time.Millisecond)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for time.Now().Before(stop) {
				f, _, err := template.Ruleset(Options{Network: i%2 == 0}, Rule{Path: dir, Rights: Read})
				if err != nil {
					t.Error(err)
					return
				}
				f.Close()
			}
		})
	}
	for time.Now().Before(stop) {
		must(t, os.WriteFile(path+".new", nil, 0o666))
		must(t, os.Rename(path+".new", path))
	}
	all.Wait()
}
