package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	helpers["allocate"] = allocate
	helpers["support"] = printSupport
	helpers["crash"] = crashWithJobs
}

// allocate uses as many MiB of memory as its argument says.
func allocate() error {
	mib, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return err
	}
	mem, err := unix.Mmap(-1, 0, mib<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	for i := 0; i < len(mem); i += os.Getpagesize() {
		mem[i] = 1
	}
	return nil
}

// allocation is a script that runs allocate.
func allocation(t testing.TB, mib int) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s=allocate exec %s %d", helperKey, self, mib)
}

// printSupport opens a Tree and prints what it can do, a feature a line.
func printSupport() error {
	tree, err := Open(Config{Name: os.Args[1]})
	if err != nil {
		return err
	}
	s := tree.Support()
	for _, f := range []Feature{s.Kill, s.Into, s.Memory, s.PIDs} {
		fmt.Println(f.Available, f.How)
	}
	return tree.Close()
}

// supportOf runs printSupport in circumstances that change makes.
func supportOf(t *testing.T, change func(*exec.Cmd)) (kill, into, memory, pids string) {
	t.Helper()
	cmd := helper(t, "support", fmt.Sprintf("sidegate-test-%d-%d", os.Getpid(), trees.Add(1)))
	change(cmd)
	out, err := cmd.CombinedOutput()
	lines := strings.Split(string(out), "\n")
	if err != nil || len(lines) != 5 {
		t.Fatalf("%v: %s", err, out)
	}
	return lines[0], lines[1], lines[2], lines[3]
}

// helper is this program as one of the helpers.
func helper(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), helperKey+"="+name)
	return cmd
}

// crashWithJobs opens a Tree of the given name, starts a job in each of three groups, says so and waits to be killed.
func crashWithJobs() error {
	tree, err := Open(Config{Name: os.Args[1], Idle: 4})
	if err != nil {
		return err
	}
	for range 3 {
		g, err := tree.Make(Limits{})
		if err != nil {
			return err
		}
		cmd := inGroup(g, "sleep 1000 & trap '' TERM; echo ready; wait")
		cmd.ExtraFiles[0] = os.Stdin
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		if _, err := fmt.Fscanln(out, new(string)); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	select {}
}
