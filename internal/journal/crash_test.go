package journal

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// crashDir is set in the process that TestKill9 starts and kills.
const crashDir = "SIDEGATE_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := writeForEver(dir, os.Getenv(crashDir+"_ROUND")); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// writeForEver takes jobs through their lives in several goroutines and prints each step once it is acknowledged.
func writeForEver(dir, round string) error {
	ctx := context.Background()
	j, err := Open(ctx, testConfig(dir))
	if err != nil {
		return err
	}
	failed := make(chan error)
	for worker := range 8 {
		go func() {
			for i := 0; ; i++ {
				if err := liveOneLife(ctx, j, fmt.Sprintf("%s-%d-%d", round, worker, i), i%2 == 0); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

// liveOneLife prints "STEP ID" with one write for each durability point; a pipe takes short writes whole.
func liveOneLife(ctx context.Context, j *Journal, id string, atOnce bool) error {
	a := admission(id)
	a.Nonce.Value, a.Begin = crashNonce(id), atOnce
	if err := j.Admit(ctx, a); err != nil {
		return err
	}
	fmt.Printf("A %s\n", id)
	if !atOnce {
		if err := j.Begin(ctx, Start{JobID: id, At: epoch}); err != nil {
			return err
		}
	}
	fmt.Printf("B %s\n", id)
	if err := j.Finish(ctx, outcome(id)); err != nil {
		return err
	}
	fmt.Printf("C %s\n", id)
	if err := j.Settle(ctx, Settlement{DeliveryID: "c-" + id, Attempt: 1, State: Delivered, StatusCode: 200, At: epoch}); err != nil {
		return err
	}
	fmt.Printf("D %s\n", id)
	return nil
}

// crashNonce is the nonce of a job, known to both processes.
func crashNonce(id string) [16]byte { return md5.Sum([]byte(id)) }

// TestKill9 kills a process in the middle of its writing, over and over on the same journal, and finds everything that it had acknowledged.
func TestKill9(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := make(map[string]byte)
	for round := range 12 {
		n := 1 + rand.IntN(150)
		t.Logf("round %d is killed after %d steps", round, n)
		last := writeAndKill(t, dir, round, n)
		checkSurvivors(t, dir, last)
		maps.Copy(all, last)
	}
	checkSurvivors(t, dir, all)
	j := openTest(t, dir)
	var verdict string
	must(t, j.readers.QueryRow("PRAGMA integrity_check").Scan(&verdict))
	if verdict != "ok" {
		t.Errorf("integrity check: %s", verdict)
	}
}

// writeAndKill runs writeForEver in a process of its own, kills it once it has acknowledged n steps, and returns the last step of each job that it
// acknowledged before it died.
func writeAndKill(t *testing.T, dir string, round, n int) map[string]byte {
	t.Helper()
	last := make(map[string]byte)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir, fmt.Sprintf("%s_ROUND=%d", crashDir, round))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	seen := 0
	for lines.Scan() {
		step, id, ok := strings.Cut(lines.Text(), " ")
		if !ok || len(step) != 1 {
			t.Errorf("the child said %q", lines.Text())
			break
		}
		last[id] = max(last[id], step[0])
		if seen++; seen == n {
			must(t, cmd.Process.Kill()) // SIGKILL; what is in the pipe was acknowledged before it
		}
	}
	cmd.Wait()
	if seen < n {
		t.Fatalf("the child ended by itself after %d steps: %s", seen, &stderr)
	}
	return last
}

func checkSurvivors(t *testing.T, dir string, last map[string]byte) {
	t.Helper()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	defer func() { must(t, j.Close()) }()
	_, stored, err := j.Nonces(t.Context())
	must(t, err)
	used := make(map[[16]byte]bool, len(stored))
	for _, n := range stored {
		used[n.Value] = true
	}
	for id, step := range last {
		checkSurvivor(t, j, id, step)
		if !used[crashNonce(id)] {
			t.Errorf("the nonce of %s is forgotten", id)
		}
	}
	running, err := j.Running(t.Context())
	must(t, err)
	for _, job := range running { // as a starting gateway does
		must(t, j.Finish(t.Context(), Outcome{JobID: job.ID, Status: Interrupted, At: epoch, Callback: &Callback{DeliveryID: "c-" + job.ID, URL: "http://a/"}}))
	}
}

func checkSurvivor(t *testing.T, j *Journal, id string, step byte) {
	t.Helper()
	job, err := j.Job(t.Context(), id)
	if err != nil {
		t.Errorf("acknowledged step %c of %s: %v", step, id, err)
		return
	}
	if step >= 'B' && job.StartedAt.IsZero() {
		t.Errorf("%s was begun, and is %s", id, job.Status)
	}
	if step < 'C' {
		return
	}
	o, err := j.Output(t.Context(), id)
	if job.Status != Exited || err != nil || !bytes.Equal(o.Stdout.Data, outcome(id).Stdout.Data) {
		t.Errorf("%s was finished, and is %s with output %q, %v", id, job.Status, o.Stdout.Data, err)
	}
	ds, err := j.Deliveries(t.Context(), DeliveryFilter{JobID: id})
	if err != nil || len(ds) != 1 || step == 'D' && ds[0].State != Delivered {
		t.Errorf("%s was finished (%c), and its deliveries are %+v, %v", id, step, ds, err)
	}
}
