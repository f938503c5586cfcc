package executor

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/executor/internal/landlock"
	"github.com/sidegate/sidegate/executor/internal/seccomp"
)

// The escape suite: everything that a command could try against the gateway and the host is tried by a command, under each profile, by both ways of
// making a child, and for each kind of user.
//
//	escape_test.go          starts the gateways, each a process of its own, and judges what they report
//	escape_gateway_test.go  the gateway, which runs the commands
//	escape_scene_test.go    what the gateway puts in place to be attacked, with what escape_open_test.go opens for others
//	escape_attack_test.go   the command: tries one battery after another
//	escape_beside_test.go   what takes more than a command
//	escape_notes_test.go    what the gateway takes down
//	escape_layers_test.go   what denied it: found out by leaving parts of the sandbox out
//	escape_harm_test.go     what harm could have been done to it
//	escape_others_test.go   who else is there
//	escape_table_test.go    the table
//
// and in the other files the tries, one subject each. The profile host is the control: a try that fails without a sandbox too proves nothing, so
// it has to succeed there, or to say why it cannot.

// Whom commands run as.
const (
	whoRoot    = "root"    // as root, as the gateway does
	whoUser    = "run_as"  // as another user, to whom a gateway that is root switches
	whoService = "service" // as another user, to whom a gateway switches that has no other right than that
	whoSelf    = "user"    // as the gateway's own user, who is not root
)

// Users that nobody else must be using.
const (
	escapeUID  = 64124 // a gateway without privileges runs as
	foreignUID = 64125 // owns a file that root can read for its capabilities alone
	serviceUID = 64126 // a gateway runs as that is a service, as it is meant to be installed
)

func TestEscape(t *testing.T) {
	t.Parallel()
	if _, err := landlock.Probe(); err != nil {
		t.Skipf("this kernel cannot confine a command: %v", err)
	}
	if err := seccomp.Probe(); err != nil {
		t.Skipf("this kernel cannot confine a command: %v", err)
	}
	var mu sync.Mutex
	var all []finding
	t.Run("gateway", func(t *testing.T) {
		for _, kind := range escapeGateways() {
			for _, way := range []Way{WayVfork, WayHelper} {
				t.Run(kind.name+"/"+string(way), func(t *testing.T) {
					t.Parallel()
					found := kind.run(t, way)
					mu.Lock()
					defer mu.Unlock()
					all = append(all, found...)
				})
			}
		}
	})
	for _, f := range all {
		if complaint := f.judge(); complaint != "" {
			t.Errorf("%s, %s, %s, as %s: %s", f.Try, f.Profile, f.Way, f.Who, complaint)
		}
	}
	t.Logf("what commands tried, and what became of it:\n%s", escapeTable(all))
}

// gatewayKind is a user that a gateway runs as, and what that user may do.
type gatewayKind struct {
	name string
	uid  int
	caps []uintptr
}

func escapeGateways() []gatewayKind {
	if os.Geteuid() != 0 {
		return []gatewayKind{{"unprivileged", os.Geteuid(), nil}}
	}
	return []gatewayKind{
		{"root", 0, nil}, {"service", serviceUID, []uintptr{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_KILL}}, {"unprivileged", escapeUID, nil},
	}
}

// run starts a gateway that makes children in this way, and returns what its commands could do.
func (k *gatewayKind) run(t *testing.T, way Way) []finding {
	t.Helper()
	top, hidden := openDir(t), hiddenDir(t)
	plantPrograms(t, top)
	cmd := exec.Command("/proc/self/exe")
	cmd.Dir = "/"
	cmd.Env = []string{
		helperKey + "=escape-gateway", "PATH=/usr/bin:/bin", quickExit, gatewaySecretKey + "=" + gatewaySecret,
		"ESCAPE_TOP=" + top, "ESCAPE_HIDDEN=" + filepath.Join(hidden, "socket"), "ESCAPE_WAY=" + string(way),
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if k.uid != os.Geteuid() {
		if _, err := user.LookupId(strconv.Itoa(k.uid)); err == nil {
			t.Skipf("user %d exists", k.uid)
		}
		cmd.SysProcAttr.AmbientCaps = k.caps
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(k.uid), Gid: uint32(k.uid)}
		if err := os.Chown(top, k.uid, k.uid); err != nil {
			t.Fatal(err)
		}
	}
	// The gateway ends when this pipe does, and so with this process at the latest.
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer lifeline.Close()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Errorf("the gateway ended with %v: %s", err, &stderr)
	}
	var report escapeReport
	if err := json.Unmarshal(stdout, &report); err != nil {
		t.Fatalf("the gateway reported nothing that makes sense: %v: %q", err, stdout)
	}
	for _, harm := range report.Harm {
		t.Errorf("the gateway was harmed: %s", harm)
	}
	return report.Findings
}

// hiddenDir makes a directory where isolated commands see none.
func hiddenDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "executor-test-")
	if err != nil {
		t.Skipf("this host has no /dev/shm: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// quickExit keeps a process from waiting a second at its end for late reports of the race detector.
const quickExit = "GORACE=atexit_sleep_ms=0"

// plantPrograms makes what only root can make, where this is root: programs that would give privileges to who executes them, and a file of
// somebody else.
func plantPrograms(t *testing.T, top string) {
	t.Helper()
	for name, source := range map[string]string{programAttacker: "/proc/self/exe", programPlain: "/bin/cat", programSetuid: "/bin/cat", programCapable: "/bin/cat"} {
		program, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		writeProgram(t, filepath.Join(top, name), string(program))
	}
	closed := filepath.Join(top, fileForeign)
	if err := os.WriteFile(closed, []byte("foreign\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chmod(filepath.Join(top, programSetuid), 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(filepath.Join(top, programCapable), "security.capability", chownCapability, 0); err != nil {
		t.Logf("no file with capabilities can be made here: %v", err)
	}
	if err := os.Chown(closed, foreignUID, foreignUID); err != nil {
		t.Fatal(err)
	}
}
