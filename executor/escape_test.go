package executor

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
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
//	escape_scene_test.go    what the gateway puts in place to be attacked
//	escape_attack_test.go   the command: tries one battery after another
//	escape_harm_test.go     what harm could have been done to it
//	escape_others_test.go   who else is there
//	escape_table_test.go    the table
//
// and in the other files the tries, one subject each. The profile host is the control: a try that fails without a sandbox too proves nothing, so
// it has to succeed there, or to say why it cannot.

// Whom commands run as.
const (
	whoRoot = "root"   // as root, as the gateway does
	whoUser = "run_as" // as another user, to whom a gateway that is root switches
	whoSelf = "user"   // as the gateway's own user, who is not root
)

// escapeUID is a user that a gateway without privileges runs as. Nobody else must be using it.
const escapeUID = 64124

// foreignUID owns a file that root can read for its capabilities alone.
const foreignUID = 64125

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
		for name, uid := range escapeGateways() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				found := runEscapeGateway(t, uid)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, found...)
			})
		}
	})
	for _, f := range all {
		if complaint := f.judge(); complaint != "" {
			t.Errorf("%s, %s, %s, as %s: %s", f.Try, f.Profile, f.Way, f.Who, complaint)
		}
	}
	t.Logf("what commands tried, and what became of it:\n%s", escapeTable(all))
}

// escapeGateways are the users that gateways run as.
func escapeGateways() map[string]int {
	if os.Geteuid() != 0 {
		return map[string]int{"unprivileged": os.Geteuid()}
	}
	return map[string]int{"root": 0, "unprivileged": escapeUID}
}

// runEscapeGateway starts a gateway and returns what its commands could do.
func runEscapeGateway(t *testing.T, uid int) []finding {
	t.Helper()
	top, hidden := openDir(t), hiddenDir(t)
	plantPrograms(t, top)
	cmd := exec.Command("/proc/self/exe")
	cmd.Dir = "/"
	cmd.Env = []string{helperKey + "=escape-gateway", "PATH=/usr/bin:/bin", quickExit, gatewaySecretKey + "=" + gatewaySecret, "ESCAPE_TOP=" + top, "ESCAPE_HIDDEN=" + filepath.Join(hidden, "socket")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid != os.Geteuid() {
		if _, err := user.LookupId(strconv.Itoa(uid)); err == nil {
			t.Skipf("user %d exists", uid)
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
		if err := os.Chown(top, uid, uid); err != nil {
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
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{programAttacker, programSetuid, programCapable} {
		writeProgram(t, filepath.Join(top, name), string(self))
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
	// A file that makes CAP_CHOWN permitted and effective: struct vfs_cap_data, version 2.
	caps := "\x01\x00\x00\x02" + "\x01\x00\x00\x00" + strings.Repeat("\x00", 12)
	if err := unix.Setxattr(filepath.Join(top, programCapable), "security.capability", []byte(caps), 0); err != nil {
		t.Logf("no file with capabilities can be made here: %v", err)
	}
	if err := os.Chown(closed, foreignUID, foreignUID); err != nil {
		t.Fatal(err)
	}
}
