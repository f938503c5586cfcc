package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sidegate/sidegate/executor"
)

// TestMain lets the scripts run the real main as `sidegate`, a caller that can misbehave as `call`, a receiver of
// callbacks as `receive`, an authentication service as `authenticate`, one who signs messages as `signed`, a network that cuts connections as `cutting`, an authority as
// `certificates DIR`, `sidegate` as another user calls it as `as-user UID`, and
// any program on another host: `without-landlock PROGRAM`
// is one without Landlock, `with-file FILE PLACE PROGRAM` has another file at a place.
func TestMain(m *testing.M) {
	executor.RunChild()
	testscript.Main(tidy{m}, map[string]func(){
		"sidegate":     main,
		"call":         callMain,
		"receive":      receiveMain,
		"authenticate": authenticateMain,

		"signed":       signedMain,
		"cutting":      cutMain,
		"certificates": certificatesMain,

		"without-landlock": withoutLandlockMain,
		"as-user":          asUserMain,
		"with-file":        withFileMain,
	})
}

// TestScripts runs testdata/script. Each script has free addresses in $ADDR, $ADMIN, $RECEIVER and $AUTH, and in $PUBLIC a directory that other users can
// get to, for sockets.
func TestScripts(t *testing.T) {
	toolchain, err := goEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	assemblyScript, err := filepath.Abs("../../bin/assemblyscript/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"ADDR", "ADMIN", "RECEIVER", "AUTH"} {
				address, err := freeAddress()
				if err != nil {
					return err
				}
				env.Setenv(name, address)
			}
			public, err := os.MkdirTemp("", "sidegate-test-")
			if err != nil {
				return err
			}
			env.Defer(func() { os.RemoveAll(public) })
			env.Setenv("PUBLIC", public)
			env.Vars = append(env.Vars, toolchain...)
			if err := os.Chmod(public, 0o755); err != nil {
				return err
			}
			env.Setenv("ASSEMBLYSCRIPT", assemblyScript)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "assemblyscript":
				_, err := os.Stat(filepath.Join(assemblyScript, ".bin", "asc"))
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"program": needProgram, "built": useBuilt, "module": writeModule, "await-file": awaitFile, "make-audit": makeAudit,
		},
	})
}

// needProgram skips a script whose host lacks a program: `program bash`.
func needProgram(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		if _, err := exec.LookPath(name); err != nil {
			ts.Logf("this host has no %s", name)
			ts.Fatalf("the script needs %s", name)
		}
	}
}

// awaitFile waits until a file is there and holds something: `await-file started`. It gives up where `call -until` does.
func awaitFile(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if info, err := os.Stat(ts.MkAbs(args[0])); err == nil && info.Size() > 0 {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("after %v there is still nothing in %s", patience, args[0])
		}
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
