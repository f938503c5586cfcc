package executor

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sidegate/sidegate/executor/internal/cgroup"
)

// helperKey, in the environment, turns the test binary into one of the programs below.
const helperKey = "EXECUTOR_TEST_HELPER"

var helpers = map[string]func() error{
	"capable-gateway": capableGateway,
}

func TestMain(m *testing.M) {
	RunChild()
	if name := os.Getenv(helperKey); name != "" {
		helper, ok := helpers[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such helper:", name)
			os.Exit(2)
		}
		if err := helper(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// newRunner makes a Runner whose work root other users can reach, which t.TempDir does not allow.
func newRunner(t testing.TB, change func(*Config)) *Runner {
	t.Helper()
	c := Config{WorkRoot: filepath.Join(openDir(t), "work"), KillGrace: 100 * time.Millisecond, PipeGrace: 200 * time.Millisecond}
	if change != nil {
		change(&c)
	}
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// newMarkRunner makes a Runner that has no control groups, and finds processes by their mark.
func newMarkRunner(t testing.TB) *Runner {
	t.Helper()
	r := newRunner(t, nil)
	if b := r.sandbox; b.groups != nil {
		if err := b.groups.Close(); err != nil {
			t.Fatal(err)
		}
		b.groups, b.limits = nil, cgroup.Support{}
	}
	return r
}

// openDir returns a temporary directory that everybody may enter.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "executor-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

var jobNumber atomic.Int64

// command is a job that runs a program of the host.
func command(t testing.TB, argv ...string) Job {
	t.Helper()
	path, err := exec.LookPath(argv[0])
	if err != nil {
		t.Skipf("this host has no %s", argv[0])
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		t.Fatal(err)
	}
	return Job{
		ID:        fmt.Sprintf("test-%d-%d", os.Getpid(), jobNumber.Add(1)),
		Argv:      argv,
		Program:   identify(t, path),
		Env:       []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Profile:   ProfileHost,
		Timeout:   30 * time.Second,
		MaxOutput: 1 << 20,
	}
}

// script is a job that runs sh -c.
func script(t testing.TB, text string) Job {
	t.Helper()
	return command(t, "sh", "-c", text)
}

func identify(t testing.TB, path string) Program {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return Program{Path: path, Dev: uint64(st.Dev), Ino: st.Ino}
}

// writeProgram makes an executable file. No fork may happen meanwhile, or the child holds the file open for writing and execve fails with ETXTBSY.
func writeProgram(t testing.TB, path, text string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// run runs a job that must start, and checks that nothing of it is left.
func run(t testing.TB, r *Runner, job Job) ended {
	t.Helper()
	res, err := r.Run(t.Context(), job)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	nothingLeft(t, r, job.ID)
	return outputOf(t, res)
}

// ended is a Result whose output was read.
type ended struct {
	Result
	Stdout, Stderr []byte
}

// outputOf reads the output and closes the Result.
func outputOf(t testing.TB, res Result) ended {
	t.Helper()
	defer res.Close()
	e := ended{Result: res}
	for i, from := range []*Output{res.Stdout, res.Stderr} {
		text, err := from.Bytes()
		if err != nil {
			t.Error(err)
		}
		*[]*[]byte{&e.Stdout, &e.Stderr}[i] = text
	}
	return e
}

// nothingLeft looks for processes that carry the mark, in another way than Sweep does, and for private directories.
func nothingLeft(t testing.TB, r *Runner, id string) {
	t.Helper()
	if pids := carriers(t, id); len(pids) > 0 {
		t.Errorf("processes %v of job %s are left", pids, id)
	}
	entries, err := os.ReadDir(r.config.WorkRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s is left in the work root", e.Name())
	}
}

func carriers(t testing.TB, id string) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		env, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		if bytes.Contains(append([]byte{0}, env...), []byte("\x00"+markKey+"="+id+"\x00")) {
			pid, err := strconv.Atoi(strings.Split(f, "/")[2])
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// meeting is a FIFO on which a script says that it has got somewhere: `: > "$FIFO"`.
func meeting(t testing.TB) (path string, await func()) {
	t.Helper()
	path = filepath.Join(openDir(t), "fifo")
	if err := syscall.Mkfifo(path, 0o622); err != nil {
		t.Fatal(err)
	}
	return path, func() {
		t.Helper()
		f, err := os.Open(path) // waits for the writer
		if err != nil {
			t.Error(err)
			return
		}
		f.Close()
	}
}

// openFDs counts the descriptors of this process, but for Landlock's rulesets: a Runner makes one ahead, and keeps some for a second. Those are counted by
// openRulesets.
func openFDs(t testing.TB) int {
	t.Helper()
	rulesets, others := descriptors(t)
	t.Logf("%d rulesets are open, and %d other descriptors", rulesets, others)
	return others
}

// openRulesets counts Landlock's rulesets that are open.
func openRulesets(t testing.TB) int {
	t.Helper()
	rulesets, _ := descriptors(t)
	return rulesets
}

func descriptors(t testing.TB) (rulesets, others int) {
	t.Helper()
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if what, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && strings.Contains(what, "landlock-ruleset") {
			rulesets++
		} else {
			others++
		}
	}
	return rulesets, others
}

func needsRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
}
