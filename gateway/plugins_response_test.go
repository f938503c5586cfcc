package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/jobs"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/wasm"
)

// secretFile writes a file that holds a secret, so that no command has to.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(secret+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// recorded is what the journal keeps of a job's end beside its output.
type recorded struct {
	Annotations map[string]string
	Changes     []wasm.Change
	Withheld    string
}

func (th *theatre) recorded(t *testing.T, job journal.Job) (r recorded) {
	t.Helper()
	if job.Result == nil {
		return r
	}
	if err := json.Unmarshal(job.Result, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestResponseIsWhatPluginsLeft: the reply, the journal and the callback have the same output, and the raw one is nowhere.
func TestResponseIsWhatPluginsLeft(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{},
		on(wasm.PhaseResponse, "redact", "p1*;=/annotations={'redacted':'yes <b>'}"),
		on(wasm.PhaseResponse, "more", "p2*;=/annotations/by='more'").but(func(p *wasm.Plugin) { p.KeepText = true }),
		on(wasm.PhaseResponse, "idle", ""))
	got := th.shell(t, body{"command": "sh -c 'cat " + secretFile(t, "abc12112cba") + "; echo 12 >&2; exit 3'", "callbackURL": "http://func.test/"})
	d := got.Data
	if got.status != 200 || d.Stdout != "abc*****cba\n" || d.Stderr != "**\n" || d.ExitCode != 3 || d.Status != "exited" {
		t.Fatalf("answered %d %s", got.status, got.raw)
	}
	if d.Annotations["redacted"] != "yes <b>" || d.Annotations["by"] != "more" || !slices.Equal(d.HeldBy, []string{"redact", "more", "idle"}) {
		t.Errorf("answered %s", got.raw)
	}
	job := th.row(t, d.JobID)
	stdout, stderr, out := th.outputOf(t, d.JobID)
	if stdout != d.Stdout || stderr != d.Stderr || out.Stdout.Bytes != 12 || out.Stdout.Truncated || job.ExitCode != 3 {
		t.Errorf("the journal has %q, %q, %+v", stdout, stderr, out)
	}
	r := th.recorded(t, job)
	if len(r.Changes) != 2 || r.Changes[0].Plugin != "redact" || !slices.Equal(r.Changes[0].Fields, []string{"annotations", "stderr", "stdout"}) || r.Annotations["by"] != "more" || r.Withheld != "" {
		t.Errorf("the journal has %+v", r)
	}
	if r.Changes[0].AfterText != "" || !strings.Contains(r.Changes[1].AfterText, `"by":"more"`) {
		t.Errorf("the journal has %+v", r.Changes)
	}
	if c := th.callbackOf(t, d.JobID); string(c.Body) != `{"kwargs":{"stdout":"abc*****cba\n","stderr":"**\n"}}` {
		t.Errorf("the callback is %s", c.Body)
	}
	th.nowhere(t, "12112", got)
}

// TestReplacedOutputCountsAsWritten: how much is missing of an output stays known when a plugin replaces the rest.
func TestReplacedOutputCountsAsWritten(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{bounds: func(b *Bounds) { b.MaxOutput = 1000 }}, on(wasm.PhaseResponse, "p", "oshort"))
	for _, tt := range []struct {
		command   string
		bytes     int64
		truncated bool
	}{{"seq 1 5", 5, false}, {"seq 1 5000", -1, true}} {
		got := th.shell(t, body{"command": tt.command})
		out, err := th.journal.Output(t.Context(), got.Data.JobID)
		if err != nil || got.Data.Stdout != "short" || got.Data.Truncated != tt.truncated || out.Stdout.Truncated != tt.truncated {
			t.Errorf("%s: answered %s, journal %+v, %v", tt.command, got.raw, out.Stdout, err)
		}
		if tt.bytes >= 0 && out.Stdout.Bytes != tt.bytes || out.Stdout.Bytes < int64(len("short")) {
			t.Errorf("%s: %d bytes", tt.command, out.Stdout.Bytes)
		}
	}
}

// TestFailingResponsePluginWithholdsOutput: how the command ended is told and on record; its output is nowhere.
func TestFailingResponsePluginWithholdsOutput(t *testing.T) {
	t.Parallel()
	all := slices.Concat(failures, []struct{ script, kind string }{
		{"d403no", "abi"}, {"ahello", "abi"}, {"=/exit_code=0", "change"}, {"=/status='failed'", "change"}, {"=/annotations={'a':1}", "change"}, {"=/more='x'", "abi"},
	})
	var plays []play
	for _, f := range all {
		plays = append(plays, on(wasm.PhaseResponse, "", f.script).but(short(f.kind)))
	}
	th := newTheatreForEach(t, plays, on(wasm.PhaseResponse, "first", "=/annotations/seen='yes'"))
	order := body{"command": "sh -c 'cat " + secretFile(t, "hunter2") + " >&2; cat /dev/null; exit 7'", "callbackURL": "http://func.test/"}
	for i, f := range all {
		t.Run(f.script, func(t *testing.T) {
			client := fmt.Sprintf("c%d", i)
			order["wait"] = true
			got, again := th.twiceAs(t, client, "/shell", order)
			want := fmt.Sprintf("the command ended (exited, exit code 7), and its output is withheld, because plugin p%d failed (%s); the gateway's log says why", i, f.kind)
			if got.status != http.StatusBadGateway || got.Reason != ResponseWithheld || got.Message != want || got.Status != "exited" || got.ExitCode == nil || *got.ExitCode != 7 || got.DecisionID == "" || got.Data != nil {
				t.Fatalf("answered %d %s, want %s", got.status, got.raw, want)
			}
			if again.Reason != ReplayedNonce {
				t.Errorf("the same call again: %s", again.raw)
			}
			th.checkWithheld(t, got.JobID, journal.Exited, 7, want)
			order["wait"] = false
			accepted := th.shellAs(t, client, order)
			if accepted.status != http.StatusOK || accepted.Data.Status != "accepted" {
				t.Fatalf("answered %d %s", accepted.status, accepted.raw)
			}
			th.checkWithheld(t, accepted.Data.JobID, journal.Exited, 7, want)
			th.nowhere(t, "hunter2", got, again, accepted)
		})
	}
}

// checkWithheld checks what is on record of a job whose output is withheld.
func (th *theatre) checkWithheld(t *testing.T, id string, status journal.Status, code int, message string) {
	t.Helper()
	job := th.row(t, id)
	if job.Status != status || job.ExitCode != code {
		t.Errorf("the journal has %s, exit code %d", job.Status, job.ExitCode)
	}
	if stdout, stderr, _ := th.outputOf(t, id); stdout+stderr != "" {
		t.Errorf("the journal has %q, %q", stdout, stderr)
	}
	r := th.recorded(t, job)
	if r.Withheld != message || r.Annotations != nil || len(r.Changes) != 1 || r.Changes[0].Plugin != "first" {
		t.Errorf("the journal has %+v", r)
	}
	var c struct {
		Kwargs struct{ Stdout, Stderr string }
	}
	if err := json.Unmarshal(th.callbackOf(t, id).Body, &c); err != nil || c.Kwargs.Stdout != "" || c.Kwargs.Stderr != "sidegate: "+message+"\n" {
		t.Errorf("the callback is %+v, %v", c, err)
	}
}

// TestWithheldHoweverItEnded: a command that was killed, was too slow or did not start has its output withheld too.
func TestWithheldHoweverItEnded(t *testing.T) {
	t.Parallel()
	first := on(wasm.PhaseResponse, "first", "=/annotations/seen='yes'")
	fails := on(wasm.PhaseResponse, "p", "t")
	slow := "sh -c 'cat %s; touch %s; sleep 60'"
	t.Run("timed out", func(t *testing.T) {
		t.Parallel()
		th := newTheatre(t, theatreOptions{bounds: func(b *Bounds) { b.Timeout = 300 * time.Millisecond }}, first, fails)
		got := th.shell(t, body{"command": fmt.Sprintf(slow, secretFile(t, "hunter2"), "x"), "callbackURL": "http://func.test/"})
		if got.status != http.StatusBadGateway || got.Status != "timed_out" {
			t.Fatalf("answered %d %s", got.status, got.raw)
		}
		th.checkWithheld(t, got.JobID, journal.TimedOut, *got.ExitCode, got.Message)
		th.nowhere(t, "hunter2", got)
	})
	t.Run("killed when its caller leaves", func(t *testing.T) {
		t.Parallel()
		kill := strings.Replace(allowing, `"obligations": {}`, `"obligations": {"on_disconnect": "kill"}`, 1)
		th := newTheatre(t, theatreOptions{rego: kill}, first, fails)
		begun := filepath.Join(t.TempDir(), "begun")
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			th.Handler().ServeHTTP(discard{}, signedCall(ctx, "/shell", "func", auth.NewNonce(), body{"command": fmt.Sprintf(slow, secretFile(t, "hunter2"), begun), "callbackURL": "http://func.test/"}))
		}()
		until(t, "it runs", func() bool { _, err := os.Stat(begun); return err == nil })
		leave()
		<-done
		job := th.row(t, th.jobs(t)[0].ID)
		th.checkWithheld(t, job.ID, journal.Killed, job.ExitCode, th.recorded(t, job).Withheld)
		th.nowhere(t, "hunter2")
	})
	t.Run("failed", func(t *testing.T) {
		t.Parallel()
		th := newTheatre(t, theatreOptions{}, first, fails)
		got := th.shell(t, body{"command": "no-such-program", "callbackURL": "http://func.test/"})
		if got.status != http.StatusBadGateway || got.Status != "failed" || *got.ExitCode != 127 || strings.Contains(got.Message, "ran") {
			t.Fatalf("answered %d %s", got.status, got.raw)
		}
		th.checkWithheld(t, got.JobID, journal.Failed, 127, got.Message)
	})
}

// TestAnswerIsWithheldToo: what a plugin answers passes the response phase, and nobody is told of a command.
func TestAnswerIsWithheldToo(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseRequest, "cache", "ahunter2"), on(wasm.PhaseResponse, "p", "t"))
	got, again := th.twice(t, "/shell", body{"command": "true"})
	want := "plugin cache answered, and its answer is withheld, because plugin p failed (trap); the gateway's log says why"
	if got.status != http.StatusBadGateway || got.Message != want || got.JobID != "" || got.ExitCode != nil || again.Reason != ReplayedNonce || len(th.jobs(t)) > 0 {
		t.Errorf("answered %d %s, then %s", got.status, got.raw, again.raw)
	}
	th.nowhere(t, "hunter2", got)
}

// TestInterruptedJobTellsOfItself: the end of a job of an earlier process is the gateway's own words, and has no output.
func TestInterruptedJobTellsOfItself(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseResponse, "p", "t"))
	l := accepted(t, th.Gateway, "true")
	if err := th.journal.Begin(t.Context(), journal.Start{JobID: l.request.ID, At: th.now()}); err != nil {
		t.Fatal(err)
	}
	if err := th.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	job := th.row(t, l.request.ID)
	if stdout, stderr, _ := th.outputOf(t, job.ID); job.Status != journal.Interrupted || stdout+stderr != "" || job.Result != nil {
		t.Errorf("the journal has %+v, %q, %q", job, stdout, stderr)
	}
}

// TestWithheldOutcomeThatIsNotOnRecord: the caller of a job whose end is on record nowhere is told so; when it is recorded
// at last, the output is not there either.
func TestWithheldOutcomeThatIsNotOnRecord(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseResponse, "p", "t"))
	th.finishTries = 1
	l := accepted(t, th.Gateway, "cat "+secretFile(t, "hunter2"))
	if err := th.journal.Begin(t.Context(), journal.Start{JobID: l.request.ID, At: th.now()}); err != nil {
		t.Fatal(err)
	}
	closed, err := journal.Open(t.Context(), journal.Config{Dir: filepath.Join(t.TempDir(), "state")})
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	book := th.journal
	l.begun, th.journal = true, closed
	l.runToEnd(t.Context())
	if l.refusal == nil || l.refusal.Code != OutcomeNotRecorded || strings.Contains(l.refusal.Error(), "hunter2") {
		t.Errorf("the refusal is %v", l.refusal)
	}
	if err := th.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	th.journal = book
	th.nowhere(t, "hunter2")
}

// TestHangingResponsePluginEndsByItsDeadline: the slot is free again, and a gateway that stops meanwhile waits no longer
// than that, with the job's end on record.
func TestHangingResponsePluginEndsByItsDeadline(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseResponse, "p", "s9000").but(func(p *wasm.Plugin) { p.Limits.Deadline = 300 * time.Millisecond }))
	done := make(chan said, 1)
	go func() { done <- th.shell(t, body{"command": "true"}) }()
	until(t, "the plugin runs", func() bool { return th.plugins.Status()[0].Calls > 0 })
	stop, cancel := context.WithCancel(t.Context())
	cancel()
	_ = th.Drain(stop) // its error only says that it did not wait for the command
	if stats := th.queue.Stats(); stats != (jobs.Stats{}) {
		t.Errorf("the queue has %+v", stats)
	}
	got := <-done
	if got.status != http.StatusBadGateway || got.Status != "exited" {
		t.Errorf("answered %d %s", got.status, got.raw)
	}
	if job := th.row(t, got.JobID); job.Status != journal.Exited {
		t.Errorf("the journal has %s", job.Status)
	}
}

// TestNoSlotIsLost: however a plugin fails, the slot is free again.
func TestNoSlotIsLost(t *testing.T) {
	t.Parallel()
	var plays []play
	for _, f := range failures {
		p := on(wasm.PhaseResponse, "", f.script).but(short(f.kind))
		plays = append(plays, p)
	}
	th := newTheatreForEach(t, plays)
	for i := range failures {
		got := th.shellAs(t, fmt.Sprintf("c%d", i), body{"command": "true"})
		if got.status != http.StatusBadGateway {
			t.Errorf("%s: answered %d %s", failures[i].script, got.status, got.raw)
		}
	}
	if got := th.shell(t, body{"command": "true"}); got.status != 200 || got.Data.Status != string(executor.StatusExited) || got.Data.HeldBy != nil {
		t.Errorf("answered %d %s", got.status, got.raw)
	}
	until(t, "all slots are free", func() bool { return th.queue.Stats() == (jobs.Stats{}) })
}

// TestPluginsThatChangeNothing: a plugin reads what the one before it left, also behind some that wrote the same again.
func TestPluginsThatChangeNothing(t *testing.T) {
	t.Parallel()
	for quiet := range 5 {
		plays := []play{on(wasm.PhaseResponse, "first", "phH")}
		for i := range quiet {
			plays = append(plays, on(wasm.PhaseResponse, fmt.Sprintf("same%d", i), "pzz"))
		}
		plays = append(plays, on(wasm.PhaseResponse, "last", "oXXXXX;pzz"))
		got := newTheatre(t, theatreOptions{}, plays...).shell(t, body{"command": "echo hello-world-0123456789"})
		if want := "XXXXXHello-world-0123456789\n"; got.Data.Stdout != want {
			t.Errorf("behind %d plugins that change nothing: %q, want %q", quiet, got.Data.Stdout, want)
		}
	}
}
