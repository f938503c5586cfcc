package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run the real main as `sidegate`, a caller that can misbehave as `call`, and a receiver of
// callbacks as `receive`.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sidegate": main,
		"call":     callMain,
		"receive":  receiveMain,
	})
}

// TestScripts runs testdata/script. Each script has free addresses in $ADDR, $ADMIN and $RECEIVER.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"ADDR", "ADMIN", "RECEIVER"} {
				address, err := freeAddress()
				if err != nil {
					return err
				}
				env.Setenv(name, address)
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"program": needProgram},
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

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
