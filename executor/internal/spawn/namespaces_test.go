package spawn

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// isolated returns a child in its own pid, mount and ipc namespaces, with the given working directory.
func isolated(t testing.TB, s *Spec, dir string) *Spec {
	t.Helper()
	s.Dir = open(t, dir, unix.O_PATH|unix.O_DIRECTORY)
	s.Namespaces = &Namespaces{PID: true, Mount: true, IPC: true, Proc: true, Workdir: dir}
	return s
}

// asOwnUser gives a gateway without privileges what it needs for namespaces. It skips where the way cannot.
func asOwnUser(t testing.TB, start way, s *Spec) *Spec {
	t.Helper()
	if os.Geteuid() == 0 {
		return s
	}
	s.Namespaces.User = &UserMap{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	probe := *s
	probe.Namespaces = &Namespaces{User: s.Namespaces.User}
	c, err := start(&probe)
	if err != nil {
		t.Skip(err)
	}
	wait(t, c)
	return s
}

func TestNamespaces(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		s := asOwnUser(t, start, isolated(t, script(t, "echo $$; for n in pid mnt ipc net; do readlink /proc/self/ns/$n; done; cd /proc; echo [0-9]*"), "/"))
		lines := strings.Split(strings.TrimSpace(succeed(t, start, s)), "\n")
		if len(lines) != 6 {
			t.Fatalf("got %q", lines)
		}
		if lines[0] != "1" {
			t.Errorf("pid %s, want 1", lines[0])
		}
		for i, name := range []string{"pid", "mnt", "ipc", "net"} {
			own, err := os.Readlink("/proc/self/ns/" + name)
			if err != nil {
				t.Fatal(err)
			}
			if same := lines[1+i] == own; same != (name == "net") {
				t.Errorf("%s namespace %s, the gateway's is %s", name, lines[1+i], own)
			}
		}
		if lines[5] != "1" {
			t.Errorf("the fresh /proc shows %s, want 1", lines[5])
		}
	})
}

// Nothing that is mounted in the child appears on the host, even where the host shares its mounts.
func TestMountsArePrivate(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		hidden, plain := openDir(t), openDir(t)
		writeFile(t, filepath.Join(hidden, "file"), "x", 0o644)
		writeFile(t, filepath.Join(plain, "file"), "x", 0o644)
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close()
		text := fmt.Sprintf("ls %s; ls %s; ! echo x 2>/dev/null > %[1]s/new && echo refused; read wait", hidden, plain)
		s := asOwnUser(t, start, isolated(t, script(t, text), plain))
		s.Namespaces.Hidden = []string{hidden, "/no/such/directory", "/run"}
		s.Stdio[0] = read
		before := mounts(t)
		out := scratch(t, "")
		s.Stdio[1], s.Stdio[2] = out, out
		c, err := start(s)
		if err != nil {
			t.Fatal(err)
		}
		during := mounts(t)
		write.Close()
		wait(t, c)
		if during != before {
			t.Errorf("the host's mounts before:\n%s\nand during:\n%s", before, during)
		}
		if got, want := contents(t, out), "file\nrefused\n"; got != want { // the file is that of plain
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func mounts(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// From the working directory, ".." must lead through the new mounts.
func TestWorkdirIsBelowNewMounts(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		root := openDir(t)
		secret, work := filepath.Join(root, "secret"), filepath.Join(root, "work")
		for _, dir := range []string{secret, work} {
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		writeFile(t, filepath.Join(secret, "file"), "x", 0o644)
		s := asOwnUser(t, start, isolated(t, script(t, "pwd -P; ls ../secret; ls "+secret), work))
		s.Namespaces.Hidden = []string{secret}
		if got := succeed(t, start, s); got != work+"\n" {
			t.Errorf("got %q", got)
		}
	})
}

func TestWorkdirReplaced(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		root := openDir(t)
		work := filepath.Join(root, "work")
		mkdir := func() {
			if err := os.Mkdir(work, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		mkdir()
		s := asOwnUser(t, start, isolated(t, command(t, "true"), work))
		refuse := func(errno error) {
			t.Helper()
			_, err := start(s)
			wantError(t, err, StepDir, errno)
		}
		if err := os.Rename(work, work+".old"); err != nil {
			t.Fatal(err)
		}
		refuse(unix.ENOENT)
		mkdir()
		refuse(unix.ESTALE)
		if err := os.Remove(work); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(work+".old", work); err != nil {
			t.Fatal(err)
		}
		refuse(unix.ELOOP)
		s.Namespaces.Hidden = []string{root}
		refuse(unix.ENOENT)
	})
}

// A Landlock rule for the host's /proc does not cover the fresh one; ProcRights does.
func TestProcRights(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		s := asOwnUser(t, start, isolated(t, script(t, "cat /proc/self/comm"), "/"))
		s.NoNewPrivs = true
		s.Landlock = ruleset(t, append(programDirs, "/proc")...)
		if text, ws := output(t, start, s); ws.ExitStatus() == 0 || !strings.Contains(text, "Permission denied") {
			t.Errorf("without rights: status %d, %q", ws.ExitStatus(), text)
		}
		s.Landlock = ruleset(t, programDirs...)
		s.Namespaces.ProcRights = unix.LANDLOCK_ACCESS_FS_READ_FILE
		s.Rlimits = []Rlimit{{unix.RLIMIT_NOFILE, 4, 4}} // no room for another descriptor while the child is set up
		if got := succeed(t, start, s); got != "cat\n" {
			t.Errorf("with rights: %q", got)
		}
	})
}

func TestErrorsOfMounts(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		s := asOwnUser(t, start, isolated(t, command(t, "true"), "/"))
		s.Namespaces.Hidden = []string{"/etc/passwd"}
		refused(t, start, s, StepMounts, unix.ENOTDIR)

		s.Namespaces.Hidden = nil
		s.NoNewPrivs, s.Landlock = true, ruleset(t, programDirs...)
		s.Namespaces.ProcRights = 1 << 60
		refused(t, start, s, StepProc, unix.EINVAL)

		s.Landlock = s.Stdio[0]
		refused(t, start, s, StepProc, unix.EBADFD)
	})
}

func TestNetwork(t *testing.T) {
	needsRoot(t)
	bothWays(t, func(t *testing.T, start way) {
		network := emptyNetwork(t)
		var st unix.Stat_t
		if err := unix.Fstat(int(network.Fd()), &st); err != nil {
			t.Fatal(err)
		}
		s := script(t, "readlink /proc/self/ns/net; cat /proc/net/dev")
		s.Namespaces = &Namespaces{Network: network}
		for range 2 { // it is shared
			checkEmptyNetwork(t, succeed(t, start, s), fmt.Sprintf("net:[%d]", st.Ino))
		}
	})
}

func TestNewNetwork(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		s := script(t, "readlink /proc/self/ns/net; cat /proc/net/dev")
		s.Namespaces = &Namespaces{NewNetwork: true}
		asOwnUser(t, start, s)
		checkEmptyNetwork(t, succeed(t, start, s), "")
	})
}

// checkEmptyNetwork checks that there is a loopback interface and nothing else.
func checkEmptyNetwork(t testing.TB, text, name string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if lines[0] == own || (name != "" && lines[0] != name) {
		t.Errorf("network namespace %s, want %s, the gateway's is %s", lines[0], name, own)
	}
	if len(lines) != 4 || !strings.HasPrefix(strings.TrimSpace(lines[3]), "lo:") {
		t.Errorf("interfaces %q, want lo alone", lines[1:])
	}
}

// The child's whole tree ends with it: it is the init of its pid namespace.
func TestTreeEndsWithInit(t *testing.T) {
	bothWays(t, func(t *testing.T, start way) {
		s := asOwnUser(t, start, isolated(t, script(t, "setsid sleep 1000 & echo ready; read wait"), "/"))
		in, hold, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer hold.Close()
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close()
		s.Stdio = [3]*os.File{in, write, write}
		c, err := start(s)
		in.Close()
		write.Close()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read.Read(make([]byte, 16)); err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(c.PID, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if ws := wait(t, c); ws.Signal() != syscall.SIGKILL {
			t.Errorf("status %#x", ws)
		}
		if n, err := read.Read(make([]byte, 16)); n != 0 || err == nil { // the end, once nobody holds the other side
			t.Errorf("read %d, %v", n, err)
		}
	})
}

// A gateway without privileges, whose memory is protected, gets the namespaces by way of a user namespace of their own.
func TestUserNamespace(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("is for an unprivileged user; TestUnprivileged runs it as one")
	}
	for name, start := range ways(t) {
		t.Run(name, func(t *testing.T) {
			s := isolated(t, script(t, "echo $$; cat /proc/self/status; ls /run; cd /proc; echo pids: [0-9]*; cat /proc/net/dev"), "/")
			s.Namespaces.User = &UserMap{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
			s.Namespaces.NewNetwork = true
			s.Namespaces.Hidden = []string{"/run"}
			s.NoNewPrivs, s.DropCapabilities = true, true
			s.Landlock = ruleset(t, programDirs...)
			s.Namespaces.ProcRights = rightsRead
			s.Filter = denying(unix.SYS_PTRACE)
			dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			if name == "vfork" && dumpable != 1 {
				_, err := start(s)
				wantError(t, err, StepUserMap, ErrNotDumpable)
				return
			}
			text := succeed(t, start, s)
			if !strings.HasPrefix(text, "1\n") {
				t.Errorf("pid is not 1:\n%s", text)
			}
			const none = "0000000000000000"
			id := fmt.Sprint(os.Geteuid())
			ids := strings.Join([]string{id, id, id, id}, " ")
			fields(t, text, map[string]string{
				"Uid": ids, "Gid": ids, "NoNewPrivs": "1", "Seccomp": "2", "pids": "1",
				"CapPrm": none, "CapEff": none, "CapBnd": none, "CapInh": none, "CapAmb": none,
			})
			noChildren(t)
		})
	}
}
