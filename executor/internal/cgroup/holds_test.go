package cgroup

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHolds(t *testing.T) {
	tree := openTree(t, nil)
	g, err := tree.Make(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	cmd := start(t, g, "sleep 60")
	if held, err := tree.Holds(cmd.Process.Pid); !held || err != nil {
		t.Errorf("a process in a group: %v, %v", held, err)
	}
	if held, err := tree.Holds(os.Getpid()); held || err != nil {
		t.Errorf("this process: %v, %v", held, err)
	}
	if err := g.Kill(0); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := tree.Holds(cmd.Process.Pid); !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
		t.Errorf("a process that is gone: %v", err)
	}
}
