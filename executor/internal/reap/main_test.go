package reap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// helperKey, in the environment, turns the test binary into one of the programs below.
const helperKey = "REAP_TEST_HELPER"

var helpers = map[string]func() error{}

func TestMain(m *testing.M) {
	if name := os.Getenv(helperKey); name != "" {
		helper, ok := helpers[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such helper:", name)
			os.Exit(2)
		}
		os.Unsetenv(helperKey)
		if err := helper(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func helper(t testing.TB, name string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), helperKey+"="+name)
	return cmd
}

var errLate = errors.New("still not so after 20 s")

// soon waits for what the kernel and the Reaper do in their own time.
func soon(what string, holds func() bool) error {
	for until := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			return fmt.Errorf("%s: %w", what, errLate)
		}
	}
	return nil
}
