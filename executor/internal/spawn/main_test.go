package spawn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// roleKey, in the environment, gives the test binary a part to play.
const roleKey = "SPAWN_TEST_ROLE"

// other is a user and group that this host need not know, and that no other process belongs to.
const other = 61234

func TestMain(m *testing.M) {
	RunHelper()
	switch role := os.Getenv(roleKey); role {
	case "":
	case "gateway": // as the gateway protects its memory
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
			panic(err)
		}
	case "returned": // from RunHelper
		fmt.Print(role)
		os.Exit(0)
	case "exchange":
		if err := exchange(os.Args[1]); err != nil {
			panic(err)
		}
		os.Exit(0)
	default:
		panic("no such role: " + role)
	}
	startPoller()
	goleak.VerifyTestMain(m)
}

// startPoller makes the runtime open the descriptors of its poller, so that they do not count as left open by whoever comes first.
func startPoller() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	r.Close()
	w.Close()
}

// way is one of the two ways of making a child.
type way func(*Spec) (Child, error)

// ways are those that work here.
func ways(t testing.TB) map[string]way {
	t.Helper()
	h, err := NewHelper()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]way{"vfork": Vfork, "helper": h.Start}
	if _, err := Vfork(&Spec{}); errors.Is(err, ErrUnsupported) {
		delete(all, "vfork")
	}
	return all
}

// bothWays runs a test for each way, and checks that it leaves neither descriptors nor children.
func bothWays(t *testing.T, test func(t *testing.T, start way)) {
	t.Helper()
	for name, start := range ways(t) {
		t.Run(name, func(t *testing.T) {
			fds := openFDs(t)
			t.Cleanup(func() { nothingLeft(t, fds) }) // runs after all others, so what they close counts as closed
			test(t, start)
		})
	}
}

func nothingLeft(t *testing.T, fds int) {
	t.Helper()
	if now := openFDs(t); now != fds {
		t.Errorf("%d descriptors are open, before there were %d", now, fds)
	}
	noChildren(t)
}

func noChildren(t *testing.T) {
	t.Helper()
	if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("waitid: %v, want no children", err)
	}
}

func openFDs(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// open opens a file for the length of the test.
func open(t testing.TB, path string, flags int) *os.File {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { f.Close() })
	return f
}

// command returns a Spec that runs a program of the host.
func command(t testing.TB, argv ...string) *Spec {
	t.Helper()
	path, err := exec.LookPath(argv[0])
	if err != nil {
		t.Skipf("this host has no %s", argv[0])
	}
	null := open(t, os.DevNull, unix.O_RDWR)
	return &Spec{
		Executable: open(t, path, unix.O_PATH),
		Argv:       argv,
		Env:        []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
		Dir:        open(t, "/", unix.O_PATH|unix.O_DIRECTORY),
		Stdio:      [3]*os.File{null, null, null},
	}
}

func script(t testing.TB, text string) *Spec {
	t.Helper()
	return command(t, "sh", "-c", text)
}

// output runs a child to its end and returns what it wrote to standard output and error.
func output(t testing.TB, start way, s *Spec) (string, syscall.WaitStatus) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s.Stdio[1], s.Stdio[2] = w, w
	c, err := start(s)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), wait(t, c)
}

// succeed is output of a child that has to exit with 0.
func succeed(t testing.TB, start way, s *Spec) string {
	t.Helper()
	text, ws := output(t, start, s)
	if ws.ExitStatus() != 0 {
		t.Fatalf("%q: status %#x, output:\n%s", s.Argv, ws, text)
	}
	return text
}

// wait waits for the child by its pidfd, and reaps it.
func wait(t testing.TB, c Child) (ws syscall.WaitStatus) {
	t.Helper()
	defer c.Done.Close()
	fds := []unix.PollFd{{Fd: int32(c.Done.Fd()), Events: unix.POLLIN}}
	for {
		if n, err := unix.Poll(fds, -1); n == 1 {
			break
		} else if err != unix.EINTR {
			t.Fatalf("poll of the pidfd: %d, %v", n, err)
		}
	}
	var (
		pid int
		err error
	)
	for {
		if pid, err = syscall.Wait4(c.PID, &ws, unix.WNOHANG, nil); err != syscall.EINTR {
			break
		}
	}
	if err != nil || pid != c.PID {
		t.Fatalf("wait4 of %d: %d, %v: the child was not left to be reaped", c.PID, pid, err)
	}
	return ws
}

// field returns the rest of the line that begins with name and a colon.
func field(t testing.TB, text, name string) string {
	t.Helper()
	for line := range bytes.Lines([]byte(text)) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			return string(bytes.Join(bytes.Fields(rest), []byte(" ")))
		}
	}
	t.Fatalf("no field %s in\n%s", name, text)
	return ""
}

// fields compares several fields.
func fields(t testing.TB, text string, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := field(t, text, name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

// openDir returns a temporary directory that everybody may enter.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "spawn-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// writeFile makes a file. No fork may happen meanwhile, or a child holds the file open for writing and it cannot be executed.
func writeFile(t testing.TB, path, text string, mode os.FileMode) string {
	t.Helper()
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func needsRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// again is this binary once more, in another role.
func again(role string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = []string{roleKey + "=" + role, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "GORACE=atexit_sleep_ms=0"}
	cmd.Dir = "/"
	return cmd
}

// closed returns a file that is no more.
func closed(t testing.TB) *os.File {
	t.Helper()
	f := open(t, "/", unix.O_PATH)
	f.Close()
	return f
}

func wantError(t testing.TB, err error, step Step, errno error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Step != step || !errors.Is(err, errno) {
		t.Errorf("error %v, want %v: %v", err, step, errno)
	}
}
