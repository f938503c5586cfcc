package durability

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/journal"
)

const callers = 64

// TestKilled kills a gateway at any moment under the load of 64 callers, over and over on the same state directory: while it starts and recovers, while it
// works, and while it stops. In the end nothing that was acknowledged is lost, nothing ran twice, and every callback came.
func TestKilled(t *testing.T) {
	t.Parallel()
	receiver := receive(t)
	s := newSite(t, layout{receiver: receiver.url, executor: "timeout: 1s, concurrency: 32, queue: 500"})
	l := &load{site: s, receiver: receiver, ran: filepath.Join(s.out, "ran")}
	e := &evidence{running: map[string]bool{}}
	boot := 500 * time.Millisecond // how long a start takes
	for round := range setting(t, "DURABILITY_ROUNDS", 3) {
		how := round % 3
		if round >= 3 {
			how = rand.IntN(3)
		}
		began := time.Now()
		p := s.start(t)
		load, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.callers(load, callers, true) }()
		switch how {
		case 0: // while it works
			s.expectNoLeftovers(t, p, e.running)
			boot = time.Since(began)
			sleep(0, 2*time.Second)
			p.kill()
		case 1: // while it starts, and brings the journal in order
			sleep(0, boot+boot/2)
			p.kill()
		case 2: // while it stops
			s.expectNoLeftovers(t, p, e.running)
			sleep(300*time.Millisecond, time.Second)
			must(t, p.cmd.Process.Signal(syscall.SIGTERM))
			sleep(0, 500*time.Millisecond)
			p.kill()
		}
		if !p.killed() && (how != 2 || p.err != nil) {
			t.Fatalf("round %d: the gateway ended by itself: %v\n%s", round, p.err, p.tail())
		}
		stop()
		must(t, <-done)
		s.inspect(t, round, l, e)
		t.Logf("round %d: killed while it was %s, after %v; %d calls so far", round, [...]string{"working", "starting", "stopping"}[how],
			time.Since(began).Round(time.Millisecond), len(l.calls))
		if t.Failed() {
			return
		}
	}
	p := s.start(t)
	s.expectNoLeftovers(t, p, e.running)
	s.drain(t, l, p)
	e.calls, e.arrived = l.calls, receiver.arrived
	e.collect(t, s.state, l.ran)
	t.Log(e.summary())
	for i, problem := range e.problems() {
		if t.Error(problem); i == 30 {
			t.Fatal("and more")
		}
	}
	s.expectClean(t, e.long)
}

func sleep(least, most time.Duration) { time.Sleep(least + rand.N(most-least)) }

// inspect looks at a copy of what a killed gateway left: all that was acknowledged is there at once, and the audit is whole. It takes down what ran.
func (s *site) inspect(t *testing.T, round int, l *load, e *evidence) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"journal.db", "journal.db-wal", audit.PublicFile, audit.PrivateFile} {
		if err := copyFile(filepath.Join(dir, name), filepath.Join(s.state, name)); errors.Is(err, fs.ErrNotExist) && name != "journal.db-wal" {
			if round > 1 || len(l.calls) > len(l.open) {
				t.Fatalf("round %d left no %s", round, name)
			}
			return // it was killed before it had made any
		} else if !errors.Is(err, fs.ErrNotExist) {
			must(t, err)
		}
	}
	copyDir(t, filepath.Join(dir, "spool"), filepath.Join(s.state, "spool"))
	r, err := journal.OpenReadOnly(t.Context(), dir)
	must(t, err)
	defer func() { must(t, errors.Join(r.Close(), os.RemoveAll(dir))) }()
	have := map[string]bool{}
	for _, job := range allJobs(t, r) {
		have[job.ID] = true
		if job.Status == journal.Running {
			e.running[job.ID] = true
		}
	}
	for _, c := range l.calls {
		for _, id := range c.jobs() {
			if !have[id] {
				t.Errorf("round %d: %s was acknowledged as job %s, which is lost", round, c.id, id)
			}
		}
	}
	args := []string{"audit", "verify", "--state-dir", dir}
	if info, err := os.Stat(s.kept); err == nil && info.Size() > 0 { // the first checkpoint is stored before it is sent
		args = append(args, "--checkpoint", s.kept)
	}
	if out, code := s.run(t, args...); code != 0 {
		t.Errorf("round %d: the audit does not verify:\n%s", round, out)
	}
}

// drain has a gateway answer and do all that is left, and ends it in order.
func (s *site) drain(t *testing.T, l *load, p *process) {
	t.Helper()
	must(t, l.callers(t.Context(), callers, false))
	r, err := journal.OpenReadOnly(t.Context(), s.state)
	must(t, err)
	eventually(t, "all jobs have ended and all callbacks are delivered", func() bool {
		jobs, err := r.Jobs(t.Context(), journal.Filter{Statuses: []journal.Status{journal.Accepted, journal.Running}, Limit: 1})
		must(t, err)
		pending, err := r.Deliveries(t.Context(), journal.DeliveryFilter{State: journal.Pending, Limit: 1})
		must(t, err)
		return len(jobs)+len(pending) == 0
	})
	must(t, r.Close()) // or the gateway would not be the last that brings the WAL back
	p.stop(t)
}

// expectNoLeftovers waits until a gateway serves. Then nothing runs any more of what an earlier one had running when it was killed.
func (s *site) expectNoLeftovers(t *testing.T, p *process, interrupted map[string]bool) {
	t.Helper()
	s.await(t, p)
	r, err := journal.OpenReadOnly(t.Context(), s.state)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	alive := s.processes(t)
	for id := range interrupted {
		job, err := r.Job(t.Context(), id)
		must(t, err)
		if found := marker.FindStringSubmatch(job.Command); found == nil || alive[found[1]] {
			t.Errorf("job %s is %s, and its command still runs: %s", id, job.Status, job.Command)
		}
	}
}

// processes are the calls whose commands run.
func (s *site) processes(t *testing.T) map[string]bool {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(t, err)
	alive := map[string]bool{}
	for _, name := range entries {
		text, err := os.ReadFile(name) // an error means that it has ended
		if found := marker.FindSubmatch(text); err == nil && found != nil && strings.Contains(string(text), s.out) {
			alive[string(found[1])] = true
		}
	}
	return alive
}

// expectClean makes sure that the last gateway left an audit that verifies, and nothing else that is in anybody's way.
func (s *site) expectClean(t *testing.T, long int) {
	t.Helper()
	out, code := s.run(t, "audit", "verify", "--config", s.config())
	if code != 0 || !strings.Contains(out, "nothing was changed") || strings.Contains(out, "no checkpoint") {
		t.Errorf("audit verify: exit code %d\n%s", code, out)
	}
	for name := range s.processes(t) {
		t.Errorf("the command of %s still runs", name)
	}
	for name, want := range map[string]int{"work": 0, "spool": long} {
		if entries, err := os.ReadDir(filepath.Join(s.state, name)); err != nil || len(entries) != want {
			t.Errorf("%s holds %d files instead of %d, %v", name, len(entries), want, err)
		}
	}
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
