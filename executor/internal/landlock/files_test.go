package landlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// tree is a directory with files to try things on, and a template that allows some of it:
//
//	ro     Read           rw, rw2  Read+Write      x    Execute      ls   List
//	one/r  Read (a file)  one/w    Read+Write      one/x Execute     out  nothing
type tree string

func (d tree) path(name string) string { return filepath.Join(string(d), name) }

// newTree makes those of the directories that the try names.
func newTree(t *testing.T, try string) (tree, []Rule) {
	t.Helper()
	d := tree(t.TempDir())
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Skip("needs a program to execute:", err)
	}
	rules := []Rule{
		{Path: "/usr/lib", Rights: Read | Execute, Optional: true, Follow: true}, // what /bin/true is linked with
		{Path: "/lib", Rights: Read | Execute, Optional: true, Follow: true},
		{Path: "/lib64", Rights: Read | Execute, Optional: true, Follow: true},
		{Path: "/etc/ld.so.cache", Rights: Read, Optional: true},
		{Path: "/proc", Rights: Read},
	}
	for dir, allowed := range map[string][]Rule{
		"ro": {{Path: d.path("ro"), Rights: Read}}, "rw": {{Path: d.path("rw"), Rights: Read | Write}}, "rw2": {{Path: d.path("rw2"), Rights: Read | Write}},
		"x": {{Path: d.path("x"), Rights: Execute}}, "ls": {{Path: d.path("ls"), Rights: List}}, "out": nil,
		"one": {{Path: d.path("one/r"), Rights: Read}, {Path: d.path("one/w"), Rights: Read | Write}, {Path: d.path("one/x"), Rights: Execute}},
	} {
		if !strings.Contains(strings.ReplaceAll(try, " ", "/ ")+"/", " "+dir+"/") && dir != "out" {
			continue
		}
		rules = append(rules, allowed...)
		for _, sub := range []string{dir, dir + "/dir", dir + "/full"} {
			must(t, os.Mkdir(d.path(sub), 0o777))
		}
		for _, name := range []string{"file", "full/file", "r", "w"} {
			must(t, os.WriteFile(d.path(dir+"/"+name), []byte(name), 0o666))
		}
		must(t, os.WriteFile(d.path(dir+"/x"), program, 0o777))
		must(t, os.Symlink(d.path("out/file"), d.path(dir+"/link")))
	}
	return d, rules
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// try does one thing, as "verb path" or "verb from to" below the tree, and returns the errno.
func (d tree) try(what string) error {
	word := strings.Fields(what)
	from := d.path(word[1])
	to := ""
	if len(word) > 2 {
		to = d.path(word[2])
	}
	opened := func(path string, flags int) error {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o666)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
	switch word[0] {
	case "read":
		return opened(from, unix.O_RDONLY)
	case "list":
		return opened(from, unix.O_RDONLY|unix.O_DIRECTORY)
	case "write":
		return opened(from, unix.O_WRONLY)
	case "append":
		return opened(from, unix.O_WRONLY|unix.O_APPEND)
	case "overwrite":
		return opened(from, unix.O_WRONLY|unix.O_TRUNC)
	case "empty": // to open for reading is allowed, to empty the file while doing so is not
		return opened(from, unix.O_RDONLY|unix.O_TRUNC)
	case "truncate":
		return unix.Truncate(from, 0)
	case "create":
		return opened(from, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	case "tmpfile":
		return opened(from, unix.O_RDWR|unix.O_TMPFILE)
	case "mkdir":
		return unix.Mkdir(from, 0o777)
	case "rmdir":
		return unix.Rmdir(from)
	case "unlink":
		return unix.Unlink(from)
	case "symlink":
		return unix.Symlink("anywhere", from)
	case "mkfifo":
		return unix.Mkfifo(from, 0o666)
	case "mksock":
		return unix.Mknod(from, unix.S_IFSOCK|0o666, 0)
	case "mkchar":
		return unix.Mknod(from, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))
	case "mkblock":
		return unix.Mknod(from, unix.S_IFBLK|0o666, int(unix.Mkdev(7, 0)))
	case "rename":
		return unix.Rename(from, to)
	case "exchange":
		return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
	case "link":
		return unix.Link(from, to)
	case "exec":
		pid, err := syscall.ForkExec(from, []string{"true"}, &syscall.ProcAttr{})
		if err == nil {
			_, err = unix.Wait4(pid, nil, 0, nil)
		}
		return err
	case "rewrite": // open for reading, then the same file for writing through /proc
		fd, err := unix.Open(from, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("cannot even read: %w", err)
		}
		defer unix.Close(fd)
		return opened(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR)
	}
	return errors.New("unknown verb in the test")
}

func TestFiles(t *testing.T) {
	t.Parallel()
	support := supported(t)
	var ok error
	const no = unix.EACCES
	refused := errors.New("EACCES or EXDEV") // which one depends on what else is missing
	// Only a kernel with the right can refuse it; without, it is always possible.
	truncating := ok
	if support.Truncate {
		truncating = no
	}
	// Only a kernel with the right can grant it; without, it is always refused.
	between := error(unix.EXDEV)
	if support.Refer {
		between = ok
	}
	for _, c := range []struct {
		try  string
		want error
	}{
		// A directory that may be read.
		{"read ro/file", ok}, {"read ro/full/file", ok}, {"list ro", ok}, {"list ro/dir", ok},
		{"write ro/file", no}, {"append ro/file", no}, {"overwrite ro/file", no}, {"empty ro/file", truncating}, {"truncate ro/file", truncating},
		{"create ro/new", no}, {"tmpfile ro", no}, {"mkdir ro/new", no}, {"rmdir ro/dir", no}, {"unlink ro/file", no}, {"symlink ro/new", no},
		{"mkfifo ro/new", no}, {"mksock ro/new", no}, {"mkchar ro/new", no}, {"mkblock ro/new", no}, {"rename ro/file ro/new", no}, {"link ro/file ro/new", no},
		{"exec ro/x", no}, {"rewrite ro/file", no}, {"read ro/link", no}, {"write ro/link", no},
		// A directory that may be written.
		{"read rw/file", ok}, {"write rw/file", ok}, {"append rw/file", ok}, {"overwrite rw/file", ok}, {"truncate rw/file", ok}, {"rewrite rw/file", ok},
		{"create rw/new", ok}, {"tmpfile rw", ok}, {"mkdir rw/newdir", ok}, {"rmdir rw/dir", ok}, {"unlink rw/r", ok}, {"symlink rw/sym", ok},
		{"mkfifo rw/fifo", ok}, {"mksock rw/sock", ok}, {"mkchar rw/char", no}, {"mkblock rw/block", no},

		{"rename rw/file rw/renamed", ok}, {"link rw/file rw/linked", ok}, {"exec rw/x", no}, {"read rw/link", no}, {"write rw/link", no},
		{"truncate rw/link", truncating},
		// Between directories.
		{"rename rw/r rw/full/r", between}, {"rename rw/w rw2/w2", between}, {"link rw/file rw2/linked", between}, {"exchange rw/full rw2/full", between},
		// Out of what may be written, and into it.
		{"rename rw/file out/new", refused}, {"rename out/file rw/new", refused},
		{"link out/file rw/stolen", refused}, {"link rw/file out/new", refused},
		{"exchange rw/file out/file", refused}, {"rename ro/file rw/new", refused}, {"link ro/file rw/stolen", refused}, {"link x/x rw/stolen", refused},
		// A directory whose files may be executed, and nothing else.
		{"exec x/x", ok}, {"read x/x", ok}, {"list x", no}, {"write x/file", no}, {"create x/new", no}, {"rename x/x x/y", no},
		// A directory that may be listed.
		{"list ls", ok}, {"list ls/dir", ok}, {"read ls/file", no}, {"exec ls/x", no},
		// Files by themselves.
		{"read one/r", ok}, {"write one/r", no}, {"read one/w", ok}, {"write one/w", ok}, {"truncate one/w", ok},
		{"exec one/x", ok}, {"read one/x", ok}, {"write one/x", no},
		{"unlink one/w", no}, {"rename one/w one/v", no}, {"link one/w one/v", no}, {"rename one/file one/w", no}, {"rename rw/file one/w", refused},
		{"list one", no}, {"read one/file", no}, {"create one/new", no},
		// What no rule names.
		{"read out/file", no}, {"list out", no}, {"write out/file", no}, {"exec out/x", no}, {"create out/new", no}, {"list .", no}, {"read ro/../out/file", no},
		{"truncate out/file", truncating}, {"mkdir out/new", no}, {"rmdir out/dir", no}, {"unlink out/file", no}, {"read out/link", no},
	} {
		t.Run(c.try, func(t *testing.T) {
			t.Parallel()
			if c.want != nil { // a try that fails anyway would prove nothing
				free, _ := newTree(t, c.try)
				if err := free.try(c.try); errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) {
					t.Skip("needs a privilege, or another filesystem:", err)
				} else if err != nil {
					t.Fatal("fails without a ruleset:", err)
				}
			}
			d, rules := newTree(t, c.try)
			fd := ruleset(t, open(t, rules...), Options{})
			restricted(t, fd, func() {
				err := d.try(c.try)
				if c.want == refused && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EXDEV)) {
					return
				}
				if !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			})
		})
	}
}
