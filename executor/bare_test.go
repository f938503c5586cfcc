package executor

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() { helpers["undressed"] = undress }

// padding keeps the environment's pages free of everything that a program needs: on the stack the arguments lie right below it.
var padding = strings.Repeat("x", 64<<10)

// undress takes this process's environment out of its memory, says so on the FIFO, and goes on for ever.
func undress() error {
	fifo, err := os.OpenFile(os.Getenv("FIFO"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	start, err1 := strconv.ParseUint(string(fields[fieldEnvironStart]), 10, 64)
	end, err2 := strconv.ParseUint(string(fields[fieldEnvironEnd]), 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	page := uint64(os.Getpagesize())
	start, end = start/page*page, (end+page-1)/page*page
	if _, _, errno := unix.RawSyscall(unix.SYS_MUNMAP, uintptr(start), uintptr(end-start), 0); errno != 0 {
		return errno
	}
	_, err = fifo.WriteString("undressed " + strconv.Itoa(os.Getpid()) + "\n")
	if err := errors.Join(err, fifo.Close()); err != nil { // closed: it is read to its end
		return err
	}
	time.Sleep(time.Hour)
	return nil
}

// undressed reads what the helper says, and ends it with the test.
func undressed(t *testing.T, fifo string) (pid int) {
	t.Helper()
	said, err := os.ReadFile(fifo)
	number, ok := strings.CutPrefix(strings.TrimSpace(string(said)), "undressed ")
	if err != nil || !ok {
		t.Errorf("the helper said %q, %v", said, err)
		return 0
	}
	if pid, err = strconv.Atoi(number); err != nil {
		t.Error(err)
		return 0
	}
	if env, err := os.ReadFile(procDir(pid) + "/environ"); err != nil || len(env) != 0 {
		t.Errorf("the helper still shows %d bytes of environment, %v", len(env), err)
	}
	return pid
}

// A process without an environment, which any local user can have, keeps no gateway from starting and delays no job without bound. It is not killed.
func TestUndressedBystander(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	fifo, _ := meeting(t)
	cmd := exec.Command(self, padding)
	cmd.Env = []string{helperKey + "=undressed", "FIFO=" + fifo}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	undressed(t, fifo)

	id := command(t, "true").ID
	target := sleeper(t, markKey+"="+id)
	if n, err := newRunner(t, nil).Sweep(t.Context(), []string{id}); n != 1 || err != nil || !dead(t, target) {
		t.Errorf("Sweep: %d, %v", n, err)
	}
	// What a job longer than a second does at its end.
	h := hunt{seeker: seeker{wanted: map[string]struct{}{id: {}}}, leader: os.Getpid(), started: time.Now().Add(-2 * nearTime)}
	if n, err := h.run(t.Context()); n != 0 || err != nil || h.settled > settleRounds {
		t.Errorf("hunt: %d, %v after %d rounds", n, err, h.settled)
	}
	if dead(t, cmd) {
		t.Error("the bystander was killed")
	}
}

// A job that hides a process in this way ends all the same, and has no survivors as far as anybody can tell. Others of its processes are still found.
func TestUndressedDescendant(t *testing.T) {
	t.Parallel()
	job := hiding(t, `(setsid "$HELPER" "$PADDING" >/dev/null 2>&1 </dev/null &); (setsid sleep 1000 >/dev/null 2>&1 </dev/null &); read -r line < "$DRESSED"`)
	dressed, _ := meeting(t)
	job.Env = append(job.Env, helperKey+"=undressed", "PADDING="+padding, "DRESSED="+dressed)
	var fifo string
	for _, e := range job.Env {
		if path, ok := strings.CutPrefix(e, "FIFO="); ok {
			fifo = path
		}
	}
	pid := make(chan int, 1)
	go func() {
		pid <- undressed(t, fifo)
		release(t, dressed)
	}()
	res, err := newRunner(t, nil).Run(t.Context(), job)
	hidden := <-pid
	if err != nil || res.Status != StatusExited || res.ExitCode != 0 || res.Survivors {
		t.Errorf("%+v, %v", res, err)
	}
	if pids := carriers(t, job.ID); len(pids) > 0 {
		t.Errorf("processes %v are left", pids)
	}
	if hidden != 0 {
		_ = syscall.Kill(hidden, syscall.SIGKILL)
	}
}
