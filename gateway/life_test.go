package gateway

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/jobs"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
)

// newGateway builds a gateway of real parts whose policy allows everything.
func newGateway(t *testing.T) *Gateway {
	t.Helper()
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	rules := filepath.Join(dir, "rules")
	if err := os.Mkdir(rules, 0o755); err != nil {
		t.Fatal(err)
	}
	rego := "package sidegate\n\ndecision := {\"allow\": true, \"grants\": [\"test\"], \"reasons\": [], \"obligations\": {}}\n"
	if err := os.WriteFile(filepath.Join(rules, "decision.rego"), []byte(rego), 0o644); err != nil {
		t.Fatal(err)
	}
	part := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	verifier, err := auth.New(auth.Config{Clients: []auth.Client{{Name: "func", Secrets: [][]byte{[]byte("secret")}}}, Skew: time.Minute})
	part(err)
	analyzer, err := shell.New(shell.Config{Path: []string{"/usr/bin", "/bin"}})
	part(err)
	engine, err := policy.New(t.Context(), policy.Config{Paths: []string{rules}, Deadline: time.Minute, Logger: log})
	part(err)
	runner, err := executor.New(executor.Config{WorkRoot: filepath.Join(dir, "work"), Logger: log})
	part(err)
	book, err := journal.Open(t.Context(), journal.Config{Dir: filepath.Join(dir, "state"), Logger: log})
	part(err)
	key, err := audit.OpenKey(filepath.Join(dir, "state"), "here")
	part(err)
	queue, err := jobs.New(jobs.Config{Concurrency: 1, Length: 8, Logger: log})
	part(err)
	allowed, err := callback.NewAllowlist(nil)
	part(err)
	t.Cleanup(func() {
		engine.Close(context.Background())
		_ = book.Close()
		_ = runner.Close()
	})
	g, err := New(Config{
		Verifier: verifier, Analyzer: analyzer, Policy: engine, Runner: runner, Journal: book, Audit: key, Queue: queue, Callbacks: allowed, CallbackDue: func(string) {},
		RetryCallback: func(context.Context, string) error { return nil },
		Bounds:        testBounds(), Limits: Limits{Body: 1 << 16, Rate: 1000, Burst: 1000}, Log: log,
	})
	part(err)
	return g
}

// accepted puts a job that waits into the journal.
func accepted(t *testing.T, g *Gateway, command string) *life {
	t.Helper()
	req := Request{ID: newID(), Time: g.now().UTC(), Principal: auth.Principal{Client: "func"}, Order: Order{Command: command}}
	r, err := g.rule(t.Context(), req)
	if err != nil || r.refusal != nil {
		t.Fatal(err, r)
	}
	row, err := g.row(req, r)
	if err != nil {
		t.Fatal(err)
	}
	nonce := journal.Nonce{Value: [16]byte([]byte(req.ID)[20:]), Client: "func", SignedAt: req.Time, Expires: req.Time.Add(time.Minute)}
	if err := g.journal.Admit(t.Context(), journal.Admission{Nonce: &nonce, At: g.now(), Job: row}); err != nil {
		t.Fatal(err)
	}
	l := g.newLife(req)
	l.ruling.Store(r)
	return l
}

func (l *life) statusInJournal(t *testing.T) journal.Job {
	t.Helper()
	job, err := l.g.journal.Job(t.Context(), l.request.ID)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// TestNothingRunsTwice: a job that the journal does not call accepted any more is not run, whoever thinks it should be.
func TestNothingRunsTwice(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	ran := filepath.Join(t.TempDir(), "ran")
	l := accepted(t, g, "touch "+ran)
	if err := g.journal.Begin(t.Context(), journal.Start{JobID: l.request.ID, At: g.now()}); err != nil {
		t.Fatal(err)
	}
	l.runToEnd(t.Context())
	if _, err := os.Stat(ran); err == nil {
		t.Error("it ran a second time")
	}
	if l.conclusion.Status != executor.StatusFailed {
		t.Errorf("it ended as %+v", l.conclusion)
	}
}

// TestWaitingJobExpires: nobody expects a command any more that waited longer than commands may run.
func TestWaitingJobExpires(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	ran := filepath.Join(t.TempDir(), "ran")
	l := accepted(t, g, "touch "+ran)
	g.now = func() time.Time { return l.request.Time.Add(g.bounds.MaxTimeout + time.Second) }
	l.runToEnd(t.Context())
	if _, err := os.Stat(ran); err == nil {
		t.Error("it ran")
	}
	stderr, err := l.conclusion.Stderr.Bytes()
	if job := l.statusInJournal(t); err != nil || job.Status != journal.Failed || !strings.Contains(string(stderr), "executor.max_timeout") {
		t.Errorf("the journal says %s, stderr %q, %v", job.Status, stderr, err)
	}
}

// TestOutcomeThatIsNotOnRecordIsNotASuccess: the caller is told, and the outcome is recorded as soon as that is possible.
func TestOutcomeThatIsNotOnRecordIsNotASuccess(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.finishTries = 1
	l := accepted(t, g, "true")
	book := g.journal
	closed, err := journal.Open(t.Context(), journal.Config{Dir: filepath.Join(t.TempDir(), "state")})
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := book.Begin(t.Context(), journal.Start{JobID: l.request.ID, At: g.now()}); err != nil {
		t.Fatal(err)
	}
	l.begun, g.journal = true, closed
	l.runToEnd(t.Context())
	if l.refusal == nil || l.refusal.Code != OutcomeNotRecorded || l.conclusion.Status != "" {
		t.Errorf("the refusal is %v, the result %+v", l.refusal, l.conclusion)
	}
	if err := g.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.journal = book
	if job := l.statusInJournal(t); job.Status != journal.Running {
		t.Errorf("the journal says %s", job.Status)
	}
}

// TestRedecidedJobNamesItsDecision: the row of a job that was decided again names the decision under which it runs.
func TestRedecidedJobNamesItsDecision(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	l := accepted(t, g, "true")
	first := l.ruling.Load()
	first.activated = time.Time{} // as if the policy had changed since
	l.runToEnd(t.Context())
	job := l.statusInJournal(t)
	if job.Status != journal.Exited || job.DecisionID == first.id || job.DecisionID != l.ruling.Load().id {
		t.Errorf("the journal says %s, decision %s; decided as %s and then %s", job.Status, job.DecisionID, first.id, l.ruling.Load().id)
	}
}

// TestRedecidedJobIsRecordedAtTheSecondTry: a new decision is on record when its job starts, also if the journal could not be written at first, and the
// audit names the roles that it was made on.
func TestRedecidedJobIsRecordedAtTheSecondTry(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	l := accepted(t, g, "true")
	today, err := auth.NewSet([]auth.Client{{Name: "func", Secrets: [][]byte{[]byte("secret")}, Roles: []string{"readonly"}}})
	if err != nil {
		t.Fatal(err)
	}
	g.verifier.Replace(today)
	book := g.journal
	if g.journal, err = journal.Open(t.Context(), journal.Config{Dir: filepath.Join(t.TempDir(), "state")}); err != nil {
		t.Fatal(err)
	}
	if err := g.journal.Close(); err != nil {
		t.Fatal(err)
	}
	if result, err := l.tryBegin(t.Context()); result != nil || err == nil {
		t.Fatalf("it began without a journal: %+v, %v", result, err)
	}
	g.journal = book
	if result, err := l.tryBegin(t.Context()); result != nil || err != nil {
		t.Fatalf("%+v, %v", result, err)
	}
	if job := l.statusInJournal(t); job.Status != journal.Running || job.DecisionID != l.ruling.Load().id {
		t.Errorf("the journal says %s, decision %s; it was decided as %s", job.Status, job.DecisionID, l.ruling.Load().id)
	}
	leaves, err := book.AuditLeaves(t.Context(), 0, 0)
	if err != nil || len(leaves) == 0 {
		t.Fatal(len(leaves), err)
	}
	started, err := audit.Decode(leaves[len(leaves)-1].Data)
	if err != nil || started.Type != audit.Started || started.Decision != l.ruling.Load().id || len(started.Roles) != 1 || started.Roles[0] != "readonly" {
		t.Errorf("the audit says %+v, %v", started, err)
	}
}

// TestWaitingJobWhoseDirectoryIsGone: the end says what is missing, and names no decision where there is none.
func TestWaitingJobWhoseDirectoryIsGone(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	l := accepted(t, g, "true")
	l.request.Workdir = filepath.Join(t.TempDir(), "gone")
	l.ruling.Store(nil) // as after a restart: it is decided again
	l.runToEnd(t.Context())
	stderr, err := l.conclusion.Stderr.Bytes()
	if text := string(stderr); err != nil || !strings.Contains(text, "workdir") || strings.Contains(text, "(decision") {
		t.Errorf("it ended as %s with %q, %v", l.conclusion.Status, text, err)
	}
}

// TestRecoveredJobIsItsClientsOfToday: a client that is gone has no jobs any more, and one that changed has today's roles.
func TestRecoveredJobIsItsClientsOfToday(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	ran := filepath.Join(t.TempDir(), "ran")
	gone := accepted(t, g, "touch "+ran)
	kept := accepted(t, g, "true")
	rows, err := g.journal.Waiting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if rows[i].ID == gone.request.ID {
			rows[i].Request = []byte(strings.Replace(string(rows[i].Request), `"Client":"func"`, `"Client":"former"`, 1))
		}
		g.resume(rows[i])
	}
	if err := g.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if job := gone.statusInJournal(t); job.Status != journal.Failed {
		t.Errorf("the job of a client that is gone is %s", job.Status)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("and it ran")
	}
	if job := kept.statusInJournal(t); job.Status != journal.Exited && job.Status != journal.Accepted {
		t.Errorf("the other job is %s", job.Status)
	}
}

// TestUnreadableRowDoesNotStopTheRecovery: one broken row ends as interrupted, and the gateway serves.
func TestUnreadableRowDoesNotStopTheRecovery(t *testing.T) {
	t.Parallel()
	if got := requestOf(journal.Job{NewJob: journal.NewJob{ID: "j", Request: []byte("{")}}); got.ID != "j" {
		t.Errorf("got %+v", got)
	}
	if got := requestOf(journal.Job{NewJob: journal.NewJob{ID: "j", Request: []byte(`{"id":"other"}`)}}); got.ID != "j" {
		t.Errorf("got %+v", got)
	}
}

// TestRecoveryThatIsStopped: a gateway that is told to stop while it starts, at whatever moment, never says that a job has
// ended of which something still runs. The next gateway sees to that.
func TestRecoveryThatIsStopped(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	for after := 10 * time.Microsecond; ; after += after / 8 {
		l := accepted(t, g, "true")
		if err := g.journal.Begin(t.Context(), journal.Start{JobID: l.request.ID, At: g.now()}); err != nil {
			t.Fatal(err)
		}
		left := exec.CommandContext(t.Context(), "sleep", "3600")
		left.Env = []string{"SIDEGATE_JOB_ID=" + l.request.ID}
		if err := left.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- left.Wait() }()

		ctx, stop := context.WithCancel(t.Context())
		moment := time.AfterFunc(after, stop)
		err := g.Recover(ctx)
		moment.Stop()
		stop()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if l.statusInJournal(t).Status == journal.Interrupted {
			select {
			case <-ended: // it was killed
			case <-time.After(10 * time.Second):
				t.Fatalf("told to stop after %v, it is called interrupted, and still runs", after)
			}
		} else if err == nil {
			t.Fatal("it is recovered, and still called running")
		}
		if err == nil {
			return
		}
		if err := g.Recover(t.Context()); err != nil { // the next start
			t.Fatal(err)
		}
	}
}
