package cgroup

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fake is a v2 hierarchy of ordinary files that follows the kernel's rules about controllers and processes (Documentation/admin-guide/cgroup-v2.rst), and
// notes what is done to it.
type fake struct {
	t     testing.TB
	dir   string // what is mounted on /sys/fs/cgroup
	pid   int
	lacks []string // files that this kernel does not have
	fails map[string]error
	log   []string
}

const fakeService = "/system.slice/sidegate.service"

// newFake makes a hierarchy in which this process is alone in a service's group, which is given the controllers.
func newFake(t testing.TB, controllers string) *fake {
	t.Helper()
	f := &fake{t: t, dir: filepath.Join(t.TempDir(), "sys/fs/cgroup"), pid: os.Getpid(), fails: make(map[string]error)}
	f.must(os.MkdirAll(f.dir, 0o755))
	f.write("cgroup.controllers", controllers)
	f.write("cgroup.subtree_control", controllers)
	f.write("cgroup.procs", "")
	f.make("system.slice")
	f.write("system.slice/cgroup.subtree_control", controllers)
	f.make("system.slice/sidegate.service")
	f.write("system.slice/sidegate.service/cgroup.procs", strconv.Itoa(f.pid)+"\n")
	return f
}

// host is the kernel of which this is the file system.
func (f *fake) host(membership, mounts string) *host {
	h := kernel()
	h.prefix = strings.TrimSuffix(f.dir, "/sys/fs/cgroup")
	h.pid = f.pid
	h.readMemberships = func() ([]byte, error) { return []byte(membership), nil }
	h.readMounts = func() ([]byte, error) { return []byte(mounts), nil }
	h.isCgroup = func(file, int) bool { return true }
	h.delegated = func(file) bool { return false }
	h.mkdir = func(dir file, name string) error {
		path := f.path(dir, name)
		f.note("mkdir", path)
		if err := f.fails["mkdir "+path]; err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(f.dir, path)); err == nil {
			return fs.ErrExist
		}
		f.make(path)
		return nil
	}
	h.rmdir = func(dir file, name string) error {
		path := f.path(dir, name)
		f.note("rmdir", path)
		return f.remove(path)
	}
	h.write = func(fd file, value string) error {
		path := f.path(fd, "")
		f.note("write", path, value)
		if err := f.fails["write "+path+" "+value]; err != nil {
			return err
		}
		return f.set(path, value)
	}
	return h
}

func (f *fake) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) note(words ...string) { f.log = append(f.log, strings.Join(words, " ")) }

// path is the path of a file in a directory, below the mount.
func (f *fake) path(dir file, name string) string {
	link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", dir))
	f.must(err)
	rel, err := filepath.Rel(f.dir, link)
	f.must(err)
	return filepath.Join(rel, name)
}

func (f *fake) read(path string) string {
	text, err := os.ReadFile(filepath.Join(f.dir, path))
	f.must(err)
	return string(text)
}

func (f *fake) write(path, value string) {
	f.t.Helper()
	f.must(os.WriteFile(filepath.Join(f.dir, path), []byte(value), 0o644))
}

func (f *fake) make(path string) {
	f.must(os.Mkdir(filepath.Join(f.dir, path), 0o700))
	given := f.read(filepath.Join(filepath.Dir(path), "cgroup.subtree_control"))
	files := map[string]string{
		"cgroup.controllers": given, "cgroup.subtree_control": "", "cgroup.procs": "", "cgroup.kill": "", "cgroup.freeze": "0\n",
		"cgroup.events": "populated 0\nfrozen 0\n",
	}
	if strings.Contains(given, "memory") {
		for name, value := range map[string]string{
			"max": "max\n", "swap.max": "max\n", "oom.group": "0\n", "current": "0\n", "peak": "0\n",
			"events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n", "stat": "anon 0\n",
		} {
			files["memory."+name] = value
		}
	}
	if strings.Contains(given, "pids") {
		files["pids.max"], files["pids.current"], files["pids.events"] = "max\n", "0\n", "max 0\n"
	}
	for name, value := range files {
		if !slices.Contains(f.lacks, name) {
			f.write(filepath.Join(path, name), value)
		}
	}
}

func (f *fake) remove(path string) error {
	entries, err := os.ReadDir(filepath.Join(f.dir, path))
	if err != nil {
		return err
	}
	if f.read(path+"/cgroup.procs") != "" || slices.ContainsFunc(entries, fs.DirEntry.IsDir) {
		return unix.EBUSY
	}
	return os.RemoveAll(filepath.Join(f.dir, path))
}

// set does what the kernel does when a value is written.
func (f *fake) set(path, value string) error {
	dir, name := filepath.Split(path)
	switch name {
	case "cgroup.subtree_control":
		return f.control(dir, value)
	case "cgroup.procs":
		if f.read(dir+"cgroup.subtree_control") != "" {
			return unix.EBUSY
		}
		f.must(filepath.WalkDir(f.dir, func(p string, _ fs.DirEntry, err error) error {
			if filepath.Base(p) != "cgroup.procs" {
				return err
			}
			text, err := os.ReadFile(p)
			f.must(err)
			return os.WriteFile(p, []byte(strings.ReplaceAll(string(text), strconv.Itoa(f.pid)+"\n", "")), 0o644)
		}))
		f.write(path, f.read(path)+strconv.Itoa(f.pid)+"\n")
		return nil
	}
	f.write(path, value+"\n")
	return nil
}

// control switches one controller on or off.
func (f *fake) control(dir, value string) error {
	controller := value[1:]
	on := strings.Fields(f.read(dir + "cgroup.subtree_control"))
	switch {
	case !strings.Contains(f.read(dir+"cgroup.controllers"), controller):
		return unix.ENOENT
	case value[0] == '-':
		below, err := filepath.Glob(filepath.Join(f.dir, dir, "*/cgroup.subtree_control"))
		f.must(err)
		for _, b := range below {
			text, err := os.ReadFile(b)
			f.must(err)
			if strings.Contains(string(text), controller) {
				return unix.EBUSY
			}
		}
		on = slices.DeleteFunc(on, func(c string) bool { return c == controller })
	case f.read(dir+"cgroup.procs") != "":
		return unix.EBUSY
	default:
		on = append(on, controller)
	}
	f.write(dir+"cgroup.subtree_control", strings.Join(on, " "))
	below, err := filepath.Glob(filepath.Join(f.dir, dir, "*/cgroup.controllers"))
	f.must(err)
	for _, b := range below {
		f.must(os.WriteFile(b, []byte(strings.Join(on, " ")), 0o644))
	}
	return nil
}

// snapshot is every directory, and what it passes on and holds.
func (f *fake) snapshot() (all []string) {
	f.must(filepath.WalkDir(f.dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			rel, err := filepath.Rel(f.dir, p)
			f.must(err)
			procs := strings.Fields(f.read(rel + "/cgroup.procs"))
			slices.Sort(procs)
			all = append(all, fmt.Sprintf("%s [%s] %s", rel, f.read(rel+"/cgroup.subtree_control"), procs))
		}
		return err
	}))
	return all
}
