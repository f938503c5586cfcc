package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"testing"
)

// TestCrash kills a gateway with three jobs and opens its Tree again, beside another one.
func TestCrash(t *testing.T) {
	t.Parallel()
	other := openTree(t, nil)
	needs(t, "killing", other.Support().Kill)
	bystanders := makeGroup(t, other, Limits{})
	bystander := start(t, bystanders, "exec sleep 1000")

	name := fmt.Sprintf("sidegate-test-%d-%d", os.Getpid(), trees.Add(1))
	gateway := helper(t, "crash", name)
	out, err := gateway.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := gateway.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the gateway said %q, %v", line, err)
	}
	if err := gateway.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	finish(t, gateway)

	tree := openTree(t, func(c *Config) { c.Name = name })
	if n := len(groups(t, tree)); n != 3 {
		t.Errorf("%d groups are left of the crashed gateway", n)
	}
	mine := makeGroup(t, tree, Limits{})
	running := start(t, mine, "exec sleep 1000")
	n, err := tree.Sweep(t.Context())
	if n != 6 || err != nil { // a shell and its child each
		t.Errorf("Sweep = %d, %v", n, err)
	}
	if n := len(groups(t, tree)); n != 1 {
		t.Errorf("%d groups after Sweep", n)
	}
	if !lives(running.Process.Pid) || !lives(bystander.Process.Pid) {
		t.Error("Sweep has killed a process of this Tree, or of another")
	}
	if n, err := tree.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("Sweep again = %d, %v", n, err)
	}
	for _, g := range []*Group{mine, bystanders} {
		if err := g.Kill(0); err != nil {
			t.Error(err)
		}
	}
	finish(t, running)
	finish(t, bystander)
	giveBack(t, mine)
	giveBack(t, bystanders)
}

// TestCloseWhileInUse closes a Tree that has a group in use.
func TestCloseWhileInUse(t *testing.T) {
	t.Parallel()
	c := Config{Name: fmt.Sprintf("sidegate-test-%d-%d", os.Getpid(), trees.Add(1)), Idle: 1}
	tree, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	needs(t, "killing", tree.Support().Kill)
	g := makeGroup(t, tree, Limits{})
	cmd := start(t, g, "exec sleep 1000")
	if err := tree.Close(); err == nil {
		t.Error("Close with a group in use did not fail")
	}
	if err := tree.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	if !lives(cmd.Process.Pid) {
		t.Error("Close has killed a process")
	}
	// What is left is what a crash would leave.
	next := openTree(t, func(n *Config) { n.Name = c.Name })
	if n, err := next.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v", n, err)
	}
	finish(t, cmd)
	if _, err := tree.Sweep(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Sweep after Close: %v", err)
	}
	if err := g.Close(); err == nil {
		t.Error("a group that the next Tree has removed was given back")
	}
}
