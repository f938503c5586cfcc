package executor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// release lets a process go that waits to read a line from the FIFO.
func release(t *testing.T, fifo string) {
	t.Helper()
	f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if _, err := f.WriteString("go\n"); err != nil {
		t.Error(err)
	}
}

// sleeper starts a process of its own session that lives until it is killed. A pipe from it says when it has its environment.
func sleeper(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", "echo up; exec sleep 1000")
	cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// dead says whether a process that was started here has ended, without reaping it.
func dead(t *testing.T, cmd *exec.Cmd) bool {
	t.Helper()
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil); err != nil {
		t.Fatal(err)
	}
	return info.Signo != 0
}

func TestSweepKillsExactlyTheMarked(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	id := command(t, "true").ID
	long := "PADDING=" + strings.Repeat("x", 100<<10) // longer than the reader's buffer
	marked := []*exec.Cmd{
		sleeper(t, markKey+"="+id),
		sleeper(t, "A=1", markKey+"="+id, "B=2"),
		sleeper(t, long, markKey+"="+id),
		sleeper(t, markKey+"="+id+"-second"),
	}
	spared := []*exec.Cmd{
		sleeper(t),
		sleeper(t, markKey+"="+id+"x"),
		sleeper(t, markKey+"="+id[:len(id)-1]),
		sleeper(t, markKey+"="),
		sleeper(t, "X"+markKey+"="+id),
		sleeper(t, "NOTE="+markKey+"="+id),
		sleeper(t, "PADDING="+strings.Repeat("x", 8<<10-8)+markKey+"="+id), // the mark begins where the buffer does
		sleeper(t, "sidegate_job_id="+id),
	}
	killed, err := r.Sweep(t.Context(), []string{id, id + "-second", "unknown-job"})
	if err != nil || killed != len(marked) {
		t.Errorf("killed %d (%v), want %d", killed, err, len(marked))
	}
	for i, cmd := range marked {
		if !dead(t, cmd) {
			t.Errorf("marked process %d lives", i)
		}
	}
	for i, cmd := range spared {
		if dead(t, cmd) {
			t.Errorf("process %d was killed", i)
		}
	}
	if killed, err := r.Sweep(t.Context(), []string{id}); killed != 0 || err != nil {
		t.Errorf("a second sweep killed %d (%v)", killed, err)
	}
}

func TestSweepRefuses(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	unmarked := sleeper(t, markKey+"=")
	if n, err := r.Sweep(t.Context(), nil); n != 0 || err != nil {
		t.Errorf("no IDs: %d, %v", n, err)
	}
	for _, id := range []string{"", "a=b", "a\x00b"} {
		if _, err := r.Sweep(t.Context(), []string{id}); err == nil {
			t.Errorf("ID %q was accepted", id)
		}
	}
	if dead(t, unmarked) {
		t.Error("an empty mark was matched")
	}
}

// A hunt that is given a number which has passed on to a process without the mark kills nothing.
func TestKillLooksAgain(t *testing.T) {
	t.Parallel()
	other := sleeper(t, markKey+"=another")
	h := hunt{seeker: seeker{wanted: map[string]struct{}{"wanted": {}}}}
	if killed := h.kill([]int{other.Process.Pid, os.Getpid()}); len(killed) != 0 || dead(t, other) {
		t.Errorf("killed %v", killed)
	}
}

func TestSweepStopsWithItsContext(t *testing.T) {
	t.Parallel()
	id := command(t, "true").ID
	p := sleeper(t, markKey+"="+id)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := newRunner(t, nil).Sweep(ctx, []string{id}); n != 0 || !errors.Is(err, context.Canceled) || dead(t, p) {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	first := sleeper(t)
	second := sleeper(t)
	leader := first.Process.Pid
	for name, h := range map[string]hunt{
		"near": {leader: leader, started: time.Now()},
		"far":  {leader: leader, started: time.Now().Add(-2 * nearTime)},
	} {
		pids, _, err := h.candidates()
		if err != nil || slices.Contains(pids, leader) || !slices.Contains(pids, second.Process.Pid) {
			t.Errorf("%s: %v, %v; want %d and not %d", name, pids, err, second.Process.Pid, leader)
		}
	}
}

func TestParseState(t *testing.T) {
	t.Parallel()
	stat := func(name string, state byte, flags, threads, start, end int) string {
		fields := slices.Repeat([]string{"0"}, 50) // from field 3 on
		fields[0] = string(state)
		fields[9-3], fields[20-3] = strconv.Itoa(flags), strconv.Itoa(threads)
		fields[50-3], fields[51-3] = strconv.Itoa(start), strconv.Itoa(end)
		return fmt.Sprintf("7 (%s) %s\n", name, strings.Join(fields, " "))
	}
	for _, tc := range []struct {
		stat string
		want state
	}{
		{stat("sh", 'S', 0x400000, 1, 4000, 4096), state{threads: 1}},
		{stat("sh", 'S', 0x400000, 1, 4096, 4096), state{bare: true, threads: 1}},
		{stat("a) Z (b", 'R', 0, 3, 0, 0), state{threads: 3}},
		{stat("kworker", 'I', 0x4208060, 1, 0, 0), state{kernel: true, threads: 1}},
		{stat("sh", 'Z', 0x40010c, 1, 0, 0), state{ending: true, threads: 1}},
		{stat("sh", 'R', 0x4, 2, 0, 0), state{ending: true, threads: 2}},
	} {
		if got, err := parseState([]byte(tc.stat)); err != nil || got != tc.want {
			t.Errorf("%q: got %+v, %v; want %+v", tc.stat, got, err, tc.want)
		}
	}
	for _, bad := range []string{"", "7 (sh) S 1", strings.Replace(stat("sh", 'S', 77, 1, 1, 2), " 77 ", " x ", 1)} {
		if _, err := parseState([]byte(bad)); !errors.Is(err, errStat) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	self, err := readState(os.Getpid())
	if err != nil || self.kernel || self.ending || self.bare || self.threads < 2 {
		t.Errorf("this process: %+v, %v", self, err)
	}
}
