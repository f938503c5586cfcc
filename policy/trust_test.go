package policy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// exposedDir is a place for policies that nobody else could reach, whatever
// the umask is.
func exposedDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(path, map[bool]os.FileMode{true: 0o755, false: 0o644}[entry.IsDir()])
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// watchPaths opens an engine that cares who could change its policies.
func watchPaths(t *testing.T, paths ...string) (*Engine, <-chan Status) {
	t.Helper()
	return openRemote(t, Config{Paths: paths})
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, link string) {
	t.Helper()
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
}

func TestExposedPolicies(t *testing.T) {
	t.Parallel()
	const everybody, sticky = os.FileMode(0o777), os.FileMode(0o777) | os.ModeSticky
	for name, test := range map[string]struct {
		expose func(t *testing.T, dir string)
		path   string // what is configured, below dir
		want   string // what the message names, below dir; "" when all is well
	}{
		"as made":                             {func(*testing.T, string) {}, "p", ""},
		"a file open to everybody":            {func(t *testing.T, dir string) { chmod(t, dir+"/p/p.rego", 0o666) }, "p", "p/p.rego"},
		"data open to everybody":              {func(t *testing.T, dir string) { chmod(t, dir+"/p/sidegate/data.json", 0o646) }, "p", "p/sidegate/data.json"},
		"a directory open to everybody":       {func(t *testing.T, dir string) { chmod(t, dir+"/p", everybody) }, "p", "p"},
		"a directory below, open":             {func(t *testing.T, dir string) { chmod(t, dir+"/p/sidegate", everybody) }, "p", "p/sidegate"},
		"a sticky directory of policies":      {func(t *testing.T, dir string) { chmod(t, dir+"/p", sticky) }, "p", "p"},
		"a directory around, open":            {func(t *testing.T, dir string) { chmod(t, dir, everybody) }, "p", "."},
		"a directory around, open but sticky": {func(t *testing.T, dir string) { chmod(t, dir, sticky) }, "p", ""},
		"a bundle file open to everybody":     {func(t *testing.T, dir string) { chmod(t, dir+"/b.tar.gz", 0o666) }, "b.tar.gz", "b.tar.gz"},
		"a bundle file in an open directory":  {func(t *testing.T, dir string) { chmod(t, dir, everybody) }, "b.tar.gz", "."},
		"what is not policy":                  {func(t *testing.T, dir string) { chmod(t, dir+"/p/README.md", 0o666) }, "p", ""},
		"a link to an exposed file": {func(t *testing.T, dir string) {
			chmod(t, dir+"/else/q.rego", 0o666)
			symlink(t, "../else/q.rego", dir+"/p/q.rego")
		}, "p", "p/q.rego"},
		"a link into an exposed directory": {func(t *testing.T, dir string) {
			chmod(t, dir+"/else", everybody)
			symlink(t, dir+"/else/q.rego", dir+"/p/q.rego")
		}, "p", "else"},
		"a link to an exposed directory": {func(t *testing.T, dir string) {
			chmod(t, dir+"/else", everybody)
			symlink(t, "../else", dir+"/p/else")
		}, "p", "else"},
		"a link in an exposed directory": {func(t *testing.T, dir string) {
			chmod(t, dir+"/else", everybody)
			symlink(t, "../p", dir+"/else/p")
		}, "else/p", "else"},
		"a link through an exposed directory": {func(t *testing.T, dir string) {
			symlink(t, "else/../p", dir+"/way")
			chmod(t, dir+"/else", everybody)
		}, "way", "else"},
		"links in order": {func(t *testing.T, dir string) {
			symlink(t, dir+"/p", dir+"/one")
			symlink(t, "../else/q.rego", dir+"/p/q.rego")
			symlink(t, "./one", dir+"/two")
		}, "two", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := exposedDir(t, map[string]string{
				"p/p.rego": allows("a"), "p/sidegate/data.json": `{"x": 1}`, "p/README.md": "text",
				"else/q.rego": "package sidegate.q\n", "b.tar.gz": string(rules("1", allows("a")).bytes(t)),
			})
			test.expose(t, dir)
			e, _ := watchPaths(t, filepath.Join(dir, test.path))
			err := e.Status().LastError
			if test.want == "" {
				if err != nil || !e.Status().Ready {
					t.Errorf("refused: %v", err)
				}
				return
			}
			at := filepath.Join(dir, test.want)
			want := at + " can be changed by everybody on this host, and with it what runs here: chmod go-w " + at + ", or mount it read-only"
			if !errors.Is(err, ErrExposed) || !strings.Contains(err.Error(), want) || e.Status().Ready {
				t.Errorf("want %q\ngot  %v", want, err)
			}
			if err := Verify(t.Context(), Config{Paths: []string{filepath.Join(dir, test.path)}, Logger: discard}); err != nil {
				t.Errorf("Verify cares: %v", err)
			}
		})
	}
}

// Opening a policy to others refuses the next reading, and the last good goes
// on; closing it again mends, and neither needs a word from the operator.
func TestPolicyExposedWhileRunning(t *testing.T) {
	t.Parallel()
	dir := exposedDir(t, map[string]string{"p.rego": allows("first")})
	file := filepath.Join(dir, "p.rego")
	e, changes := watchPaths(t, dir)
	await(t, changes, good)
	chmod(t, file, 0o666)
	if s := await(t, changes, broken); !s.Ready || !errors.Is(s.LastError, ErrExposed) {
		t.Fatalf("status %+v", s)
	}
	write(t, dir, map[string]string{"p.rego": allows("not mine")})
	if err := e.Reload(t.Context()); !errors.Is(err, ErrExposed) {
		t.Errorf("error %v", err)
	}
	if d := decide(t, e, oneCommand()); d.Grants[0] != "first" {
		t.Errorf("decision %+v", d)
	}
	chmod(t, file, 0o644)
	await(t, changes, func(s Status) bool { return good(s) && decide(t, e, oneCommand()).Grants[0] == "not mine" })
}

func TestPolicyOfOthers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("giving files away needs root")
	}
	const somebody, crowd = 4321, 4322
	for name, test := range map[string]struct {
		give func(dir string) error
		want string // "" when all is well; DIR stands for the directory
	}{
		"a file":             {func(dir string) error { return os.Chown(dir+"/p/p.rego", somebody, -1) }, "DIR/p/p.rego belongs to the user with the number 4321, who is neither root nor the gateway's user, and could change what runs here: chown root DIR/p/p.rego"},
		"a directory":        {func(dir string) error { return os.Chown(dir+"/p", somebody, -1) }, "DIR/p belongs to"},
		"a directory around": {func(dir string) error { return os.Chown(dir, somebody, -1) }, ""},
		"a directory around, of a group": {func(dir string) error {
			return errors.Join(os.Chown(dir, -1, crowd), os.Chmod(dir, 0o775))
		}, ""},
		"a link in a directory of somebody": {func(dir string) error {
			return errors.Join(os.Rename(dir+"/p", dir+"/real"), os.Symlink("real", dir+"/p"),
				os.Lchown(dir+"/p", somebody, -1), os.Chown(dir, somebody, -1))
		}, "DIR/p belongs to"},
		"a group that writes": {func(dir string) error {
			return errors.Join(os.Chown(dir+"/p/p.rego", -1, crowd), os.Chmod(dir+"/p/p.rego", 0o664))
		}, "DIR/p/p.rego can be changed by the group with the number 4322, and with it what runs here: chmod go-w DIR/p/p.rego"},
		"a group that reads": {func(dir string) error { return os.Chown(dir+"/p/p.rego", -1, crowd) }, ""},
		"the owner's group":  {func(dir string) error { return os.Chmod(dir+"/p/p.rego", 0o664) }, ""},
		"a link that nobody can exchange": {func(dir string) error {
			return errors.Join(os.Symlink("p.rego", dir+"/p/q.rego"), os.Lchown(dir+"/p/q.rego", somebody, -1))
		}, ""},
		"a link where everybody may put one": {func(dir string) error {
			return errors.Join(os.Rename(dir+"/p", dir+"/real"), os.Symlink("real", dir+"/p"),
				os.Lchown(dir+"/p", somebody, -1), os.Chmod(dir, 0o777|os.ModeSticky))
		}, "DIR/p belongs to"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := exposedDir(t, map[string]string{"p/decision.rego": allows("a"), "p/p.rego": "package sidegate.p\n"})
			if err := test.give(dir); err != nil {
				t.Fatal(err)
			}
			e, _ := watchPaths(t, dir+"/p")
			err := e.Status().LastError
			if test.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if want := strings.ReplaceAll(test.want, "DIR", dir); !errors.Is(err, ErrExposed) || !strings.Contains(err.Error(), want) {
				t.Errorf("want %q\ngot  %v", want, err)
			}
		})
	}
}

func TestPrivateGroups(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		uid, gid uint32
		want     bool
	}{{0, 0, true}, {1000, 1000, true}, {1000, 100, false}, {0, 1000, false}, {100, 100, false}} {
		if privateGroup(test.uid, test.gid) != test.want {
			t.Errorf("%+v", test)
		}
	}
}

// What nobody can write to is in order whoever owns it: so are ConfigMaps.
func TestExposedPoliciesMountedReadOnly(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := exposedDir(t, nil)
	if err := unix.Mount("sidegate-test", dir, "tmpfs", 0, "size=1m,mode=0777"); err != nil {
		t.Skipf("a tmpfs cannot be mounted here: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	write(t, dir, map[string]string{"p.rego": allows("a")})
	if err := errors.Join(os.Chown(dir+"/p.rego", 4321, 4321), os.Chmod(dir+"/p.rego", 0o666)); err != nil {
		t.Fatal(err)
	}
	e, _ := watchPaths(t, dir)
	if err := e.Status().LastError; !errors.Is(err, ErrExposed) {
		t.Errorf("error %v", err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skipf("it cannot be made read-only: %v", err)
	}
	if err := e.Reload(t.Context()); err != nil || !e.Status().Ready {
		t.Errorf("error %v", err)
	}
}
