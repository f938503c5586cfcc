package daemon

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSocketDir builds directories below DIR, which is safe, and says whether a socket would be safe in one of them.
func TestSocketDir(t *testing.T) {
	t.Parallel()
	const replaced = " and so put another socket in the place of the gateway's: "
	for _, test := range []struct {
		name  string
		build func(b *builder)
		dir   string
		want  string // the path free of links, or the error
		root  bool   // needs it
	}{
		{name: "plain", build: func(b *builder) { b.dir("a", 0o755) }, dir: "a", want: "DIR/a"},
		{name: "private", build: func(b *builder) { b.dir("a", 0o700) }, dir: "a", want: "DIR/a"},
		{name: "not clean", build: func(b *builder) { b.dir("a", 0o755) }, dir: "a/../a//.", want: "DIR/a"},
		{name: "missing", build: func(b *builder) { b.dir("a", 0o755) }, dir: "a/b/c", want: "the directory DIR/a/b does not exist; make it, or have systemd make it (RuntimeDirectory=)"},
		{name: "a file", build: func(b *builder) { b.file("a") }, dir: "a", want: "DIR/a is not a directory"},
		{name: "below a file", build: func(b *builder) { b.file("a") }, dir: "a/b", want: "DIR/a is not a directory"},
		{name: "open", build: func(b *builder) { b.dir("a", 0o777) }, dir: "a", want: "everybody on this host may write to DIR/a," + replaced + "chmod go-w DIR/a"},
		{name: "open to others", build: func(b *builder) { b.dir("a", 0o757) }, dir: "a", want: "everybody on this host may write to DIR/a," + replaced + "chmod go-w DIR/a"},
		{name: "sticky", build: func(b *builder) { b.dir("a", 0o777|fs.ModeSticky) }, dir: "a", want: "everybody on this host may write to DIR/a," + replaced + "chmod go-w DIR/a"},
		{name: "below open", build: func(b *builder) { b.dir("a", 0o777); b.dir("a/b", 0o755) }, dir: "a/b", want: "everybody on this host may write to DIR/a," + replaced + "chmod o-w DIR/a"},
		{name: "below sticky", build: func(b *builder) { b.dir("a", 0o777|fs.ModeSticky); b.dir("a/b", 0o755) }, dir: "a/b", want: "DIR/a/b"},
		{name: "link", build: func(b *builder) { b.dir("a", 0o755); b.link("a", "l") }, dir: "l", want: "DIR/a"},
		{name: "link on the way", build: func(b *builder) { b.dir("a", 0o755); b.dir("a/b", 0o755); b.link("a", "l") }, dir: "l/b", want: "DIR/a/b"},
		{name: "absolute link", build: func(b *builder) { b.dir("a", 0o755); b.link(filepath.Join(b.at, "a"), "l") }, dir: "l", want: "DIR/a"},
		{name: "link to open", build: func(b *builder) { b.dir("a", 0o777); b.link("a", "l") }, dir: "l", want: "everybody on this host may write to DIR/a," + replaced + "chmod go-w DIR/a"},
		{name: "link through open", build: func(b *builder) { b.dir("a", 0o777); b.dir("a/b", 0o755); b.link("a/b", "l") }, dir: "l", want: "everybody on this host may write to DIR/a," + replaced + "chmod o-w DIR/a"},
		{name: "dangling link", build: func(b *builder) { b.link("gone", "l") }, dir: "l", want: "the directory DIR/gone does not exist; make it, or have systemd make it (RuntimeDirectory=)"},
		{name: "link to itself", build: func(b *builder) { b.link("l", "l") }, dir: "l", want: "open DIR/l: too many levels of symbolic links"},
		{name: "link in sticky", build: func(b *builder) { b.dir("a", 0o777|fs.ModeSticky); b.dir("b", 0o755); b.link("../b", "a/l") }, dir: "a/l",
			want: "DIR/a/l is a symbolic link where everybody may make one; name the directory itself"},
		{name: "group", build: func(b *builder) { b.dir("a", 0o775); b.own("a", 0, 54321) }, dir: "a", want: "the group 54321 may write to DIR/a," + replaced + "chmod g-w DIR/a", root: true},
		{name: "the owner's group", build: func(b *builder) { b.dir("a", 0o775); b.own("a", 0, 0) }, dir: "a", want: "DIR/a", root: true},
		{name: "another's", build: func(b *builder) { b.dir("a", 0o755); b.own("a", 54321, 0) }, dir: "a", root: true,
			want: "DIR/a belongs to the user with the number 54321, who is neither root nor the gateway's user, and could put another socket in the place of the gateway's: chown root DIR/a, or name another directory"},
		{name: "below another's", build: func(b *builder) { b.dir("a", 0o755); b.dir("a/b", 0o755); b.own("a", 54321, 0) }, dir: "a/b", want: "DIR/a/b", root: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.root && os.Geteuid() != 0 {
				t.Skip("giving a directory to others needs root")
			}
			b := &builder{t, t.TempDir()}
			test.build(b)
			got, err := socketDir(b.at + "/" + test.dir)
			if err != nil {
				got = err.Error()
			}
			if want := strings.ReplaceAll(test.want, "DIR", b.at); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// builder makes directories whatever the umask is.
type builder struct {
	t  *testing.T
	at string
}

func (b *builder) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *builder) dir(name string, mode fs.FileMode) {
	b.must(os.Mkdir(filepath.Join(b.at, name), 0o700))
	b.must(os.Chmod(filepath.Join(b.at, name), mode))
}

func (b *builder) file(name string)         { write(b.t, filepath.Join(b.at, name), "", 0o644) }
func (b *builder) link(target, name string) { b.must(os.Symlink(target, filepath.Join(b.at, name))) }
func (b *builder) own(name string, uid, gid int) {
	b.must(syscall.Chown(filepath.Join(b.at, name), uid, gid))
}

// TestSocketPathAfterLinks: the room for a path is that of the one without links.
func TestSocketPathAfterLinks(t *testing.T) {
	t.Parallel()
	b := &builder{t, t.TempDir()}
	long := strings.Repeat("x", maxSocketPath-len(b.at)-len("//s.sock"))
	b.dir(long, 0o755)
	b.dir(long+"y", 0o755)
	b.link(long, "fits")
	b.link(long+"y", "not")
	mustListen(t, filepath.Join(b.at, "fits", "s.sock"))
	path, real := filepath.Join(b.at, "not", "s.sock"), filepath.Join(b.at, long+"y", "s.sock")
	_, err := listenSocket(t.Context(), path, 0o660, "")
	if want := path + " is at " + real + ", and that path has more than 107 bytes; name a shorter one"; err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nwant\n%s", err, want)
	}
}
