package journal

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/tlog"
)

// crashDir is set in the process that a test starts and ends roughly.
const crashDir = "SIDEGATE_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := writeForEver(dir, os.Getenv(crashDir+"_ROUND"), os.Getenv(crashDir+"_SYNCHRONOUS")); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// writeForEver takes jobs through their lives in several goroutines and prints each step once it is acknowledged.
func writeForEver(dir, round, synchronous string) error {
	ctx := context.Background()
	c := testConfig(dir)
	c.synchronous = synchronous
	j, err := Open(ctx, c)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for worker := range 8 {
		go func() {
			for i := 0; ; i++ {
				if err := liveOneLife(ctx, j, fmt.Sprintf("%s-%d-%d", round, worker, i), i); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

// liveOneLife prints "STEP ID" with one write for each durability point; a pipe takes short writes whole. Each commit has a leaf that says the same.
func liveOneLife(ctx context.Context, j *Journal, id string, i int) error {
	leaf := func(step string) []byte { return []byte(step + " " + id) }
	a := admission(id)
	a.Nonce.Value, a.Begin, a.Leaves = crashNonce(id), i%2 == 0, [][]byte{leaf("A")}
	if a.Begin {
		a.Leaves = append(a.Leaves, leaf("B"))
	}
	if err := j.Admit(ctx, a); err != nil {
		return err
	}
	fmt.Printf("A %s\n", id)
	if !a.Begin {
		if err := j.Begin(ctx, Start{JobID: id, At: epoch, Leaf: leaf("B")}); err != nil {
			return err
		}
	}
	fmt.Printf("B %s\n", id)
	o := outcome(id)
	o.Leaf = func(Output) ([]byte, error) { return leaf("C"), nil }
	if i%7 == 0 {
		o.Stdout = Stream{Content: long{size: longOutput}, Bytes: longOutput}
	}
	if i%7 == 1 {
		content, err := newInFile(j.dir, longOutput, 0)
		if err != nil {
			return err
		}
		defer content.file.Close()
		o.Stdout = Stream{Content: content, Bytes: longOutput}
	}
	if err := j.Finish(ctx, o); err != nil {
		return err
	}
	fmt.Printf("C %s\n", id)
	if err := j.Settle(ctx, Settlement{DeliveryID: "c-" + id, Attempt: 1, State: Delivered, StatusCode: 200, At: epoch, Leaf: leaf("D")}); err != nil {
		return err
	}
	fmt.Printf("D %s\n", id)
	return nil
}

// longOutput is the size of an output that goes to a file.
const longOutput = 2 * maxInline

// crashNonce is the nonce of a job, known to both processes.
func crashNonce(id string) [16]byte { return md5.Sum([]byte(id)) }

// writing is a process that writes for ever.
type writing struct {
	cmd    *exec.Cmd
	pipe   io.ReadCloser
	stdout *bufio.Scanner
	stderr bytes.Buffer
	steps  int
	last   map[string]byte // the last step of each job that it has acknowledged
}

func startWriting(t *testing.T, dir string, round int, synchronous string) *writing {
	t.Helper()
	w := &writing{cmd: exec.Command(os.Args[0]), last: make(map[string]byte)}
	w.cmd.Env = append(os.Environ(), crashDir+"="+dir, fmt.Sprintf("%s_ROUND=%d", crashDir, round), crashDir+"_SYNCHRONOUS="+synchronous)
	w.cmd.Stderr = &w.stderr
	var err error
	w.pipe, err = w.cmd.StdoutPipe()
	must(t, errors.Join(err, w.cmd.Start()))
	w.stdout = bufio.NewScanner(w.pipe)
	return w
}

// read takes acknowledgements until there are n, or with 0 until there are no more.
func (w *writing) read(t *testing.T, n int) {
	t.Helper()
	for (n == 0 || w.steps < n) && w.stdout.Scan() {
		step, id, ok := strings.Cut(w.stdout.Text(), " ")
		if !ok || len(step) != 1 {
			t.Fatalf("the process said %q", w.stdout.Text())
		}
		w.last[id] = max(w.last[id], step[0])
		w.steps++
	}
	if w.steps < n {
		w.cmd.Wait()
		t.Fatalf("the process ended by itself after %d steps: %s", w.steps, &w.stderr)
	}
}

// kill ends the process and takes the rest of what it acknowledged before.
func (w *writing) kill(t *testing.T) {
	t.Helper()
	must(t, w.cmd.Process.Kill())
	w.read(t, 0)
	w.cmd.Wait()
}

// TestKill9 kills a process in the middle of its writing, over and over on the same journal, and finds everything that it had acknowledged.
func TestKill9(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := make(map[string]byte)
	for round := range 12 {
		n := 1 + rand.IntN(150)
		t.Logf("round %d is killed after %d steps", round, n)
		w := startWriting(t, dir, round, full)
		w.read(t, n)
		w.kill(t)
		reportLost(t, dir, w.last)
		maps.Copy(all, w.last)
	}
	reportLost(t, dir, all)
}

func reportLost(t *testing.T, dir string, last map[string]byte) {
	t.Helper()
	for _, what := range lost(t, dir, last) {
		t.Error(what)
	}
}

// lost opens the journal after a crash, brings it in order as a starting gateway does, and returns what is not there of what was acknowledged.
func lost(t *testing.T, dir string, last map[string]byte) (missing []string) {
	t.Helper()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	defer func() { must(t, j.Close()) }()
	var verdict string
	if must(t, j.db.QueryRow("PRAGMA integrity_check").Scan(&verdict)); verdict != "ok" {
		missing = append(missing, "integrity check: "+verdict)
	}
	if counted, is := stored(t, j); counted != is {
		missing = append(missing, fmt.Sprintf("%d bytes are counted, and there are %d", counted, is))
	}
	_, nonces, err := j.Nonces(t.Context())
	must(t, err)
	used := make(map[[16]byte]bool, len(nonces))
	for _, n := range nonces {
		used[n.Value] = true
	}
	leaves := rebuild(t, j)
	for id, step := range last {
		if !used[crashNonce(id)] {
			missing = append(missing, "the nonce of "+id)
		}
		for s := byte('A'); s <= step; s++ {
			if !leaves[fmt.Sprintf("%c %s", s, id)] {
				missing = append(missing, fmt.Sprintf("the leaf of step %c of %s", s, id))
			}
		}
		if what := lostOf(t, j, id, step); what != "" {
			missing = append(missing, what)
		}
	}
	running, err := j.Running(t.Context())
	must(t, err)
	for _, job := range running {
		must(t, j.Finish(t.Context(), Outcome{
			JobID: job.ID, Status: Interrupted, At: epoch, Callback: &Callback{DeliveryID: "c-" + job.ID, Destination: "a", URL: "http://a/"},
			Leaf: func(Output) ([]byte, error) { return []byte("interrupted " + job.ID), nil },
		}))
	}
	slices.Sort(missing)
	return missing
}

// rebuild reads the whole audit, makes sure that its hashes are those of its leaves, and returns the leaves.
func rebuild(t *testing.T, j *Journal) map[string]bool {
	t.Helper()
	log, err := j.AuditLog(t.Context())
	must(t, err)
	leaves := make(map[string]bool)
	var edge tree
	var hashes []byte
	for l, err := range log.Leaves() {
		must(t, err)
		if l.Seq != edge.size {
			t.Fatalf("leaf %d stands where %d should", l.Seq, edge.size)
		}
		hashes = edge.add(tlog.RecordHash(l.Data), hashes)
		leaves[string(l.Data)] = true
	}
	for h, err := range log.Hashes() {
		must(t, err)
		if len(hashes) < tlog.HashSize || !bytes.Equal(h.Hash, hashes[:tlog.HashSize]) {
			t.Fatalf("hash %d is not that of its leaves", h.Index)
		}
		hashes = hashes[tlog.HashSize:]
	}
	if len(hashes) > 0 {
		t.Fatalf("%d hashes are missing", len(hashes)/tlog.HashSize)
	}
	return leaves
}

// lostOf says what is missing of a job whose step was acknowledged, or "".
func lostOf(t *testing.T, j *Journal, id string, step byte) string {
	t.Helper()
	job, err := j.Job(t.Context(), id)
	switch {
	case errors.Is(err, ErrNotFound):
		return fmt.Sprintf("job %s of step %c", id, step)
	case err != nil:
		t.Fatal(err)
	case step >= 'B' && job.StartedAt.IsZero():
		return fmt.Sprintf("%s was begun, and is %s", id, job.Status)
	case step < 'C':
		return ""
	case job.Status != Exited:
		return fmt.Sprintf("%s was finished, and is %s", id, job.Status)
	}
	stdout, err := j.OpenOutput(t.Context(), id, Stdout)
	if err != nil {
		return fmt.Sprintf("the output of %s: %v", id, err)
	}
	defer stdout.Close()
	if text, err := stdout.ReadAll(); err != nil || string(text) != "out of "+id && len(text) != longOutput {
		return fmt.Sprintf("the output of %s: %d bytes, %v", id, len(text), err)
	}
	ds, err := j.Deliveries(t.Context(), DeliveryFilter{JobID: id})
	must(t, err)
	if len(ds) != 1 || step == 'D' && ds[0].State != Delivered {
		return fmt.Sprintf("%s was finished (%c), and its deliveries are %+v", id, step, ds)
	}
	return ""
}
