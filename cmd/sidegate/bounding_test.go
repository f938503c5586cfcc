package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/internal/trial"
)

// What a gateway could gain by executing something, all of its threads have given up, unless commands may have the gateway's own capabilities.
func TestNothingToGainByExecuting(t *testing.T) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var own [2]unix.CapUserData
	if err := unix.Capget(&header, &own[0]); err != nil || own[0].Effective&(1<<unix.CAP_SETPCAP) == 0 {
		t.Skipf("giving capabilities up needs root, or CAP_SETPCAP at least (%v)", err)
	}
	if boundingSets(t, os.Getpid())["0000000000000000"] {
		t.Skip("there is nothing to give up: the bounding set of this process is empty as it is")
	}
	program, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	for profiles, empty := range map[string]bool{`["confined", "isolated"]`: true, `["host", "confined"]`: false} {
		t.Run(profiles, func(t *testing.T) {
			g, err := trial.Start(t.Context(), trial.Options{Binary: program, Dir: filepath.Join(t.TempDir(), "gateway"), Edit: func(yaml string) (string, error) {
				return trial.Replace(yaml, map[string]string{`profiles: ["confined", "isolated"]`: "profiles: " + profiles})
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			signed, err := g.Sign(trial.Order{Command: "true", Wait: true})
			if err != nil {
				t.Fatal(err)
			}
			if answer, err := g.Send(t.Context(), http.DefaultClient, signed); err != nil || answer.Status != http.StatusOK {
				t.Fatalf("%+v, %v", answer, err)
			}
			has := boundingSets(t, g.PID())
			if len(has) != 1 || has["0000000000000000"] != empty {
				t.Errorf("the threads have the bounding sets %v", has)
			}
		})
	}
}

// boundingSets are those of the threads of a process.
func boundingSets(t *testing.T, pid int) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	sets := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		set := regexp.MustCompile(`(?m)^CapBnd:\s*(\w+)$`).FindStringSubmatch(string(text))
		if set == nil || strings.Trim(set[1], "0123456789abcdef") != "" {
			t.Fatalf("%s has no bounding set:\n%s", file, text)
		}
		sets[set[1]] = true
	}
	return sets
}
