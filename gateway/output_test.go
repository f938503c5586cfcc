package gateway

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/wasm"
)

// spools counts the files that hold output of this gateway's jobs.
func (th *theatre) spools(t *testing.T) int {
	t.Helper()
	work, err := filepath.EvalSymlinks(filepath.Join(th.dir, "work"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if file, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(file, work) && strings.HasSuffix(file, " (deleted)") {
			n++
		}
	}
	return n
}

// noSpools waits until no job's output is held any more: that is so a moment after its reply.
func (th *theatre) noSpools(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); th.spools(t) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d files are still open", th.spools(t))
		}
	}
}

// TestLongOutput: what is too long for memory is replied, recorded and called back whole, and its file is closed whatever becomes of it.
func TestLongOutput(t *testing.T) {
	t.Parallel()
	want := strings.Repeat("0123456789abcde\n", 20000)
	file := secretFile(t, want[:len(want)-1])
	long := body{"command": "sh -c 'cat " + file + "; cat " + file + " >&2'", "callbackURL": "http://func.test/"}
	for name, plays := range map[string][]play{
		"no plugins":                    nil,
		"a plugin that changes nothing": {on(wasm.PhaseResponse, "idle", "")},
	} {
		th := newTheatre(t, theatreOptions{}, plays...)
		got := th.shell(t, long)
		if got.status != http.StatusOK || got.Data.Stdout != want || got.Data.Stderr != want || got.Data.Truncated {
			t.Fatalf("%s: answered %d with %d and %d bytes", name, got.status, len(got.Data.Stdout), len(got.Data.Stderr))
		}
		if stdout, stderr, out := th.outputOf(t, got.Data.JobID); stdout != want || stderr != want || out.Stdout.Truncated {
			t.Errorf("%s: the journal has %d and %d bytes", name, len(stdout), len(stderr))
		}
		if c := th.callbackOf(t, got.Data.JobID); strings.Count(string(c.Body), "9abcde") != 40000 {
			t.Errorf("%s: the callback has %d bytes", name, len(c.Body))
		}
		th.noSpools(t)
	}
	withheld := newTheatre(t, theatreOptions{}, on(wasm.PhaseResponse, "p", "d403no"))
	if got := withheld.shell(t, long); got.status != http.StatusBadGateway {
		t.Errorf("answered %d %.200s", got.status, got.raw)
	}
	withheld.noSpools(t)
	replaced := newTheatre(t, theatreOptions{}, on(wasm.PhaseResponse, "p", "oshort"))
	if got := replaced.shell(t, long); got.status != http.StatusOK || got.Data.Stdout != "short" {
		t.Errorf("answered %d %.200s", got.status, got.raw)
	}
	replaced.noSpools(t)
	unread := newTheatre(t, theatreOptions{})
	if got := unread.shell(t, body{"command": long["command"], "wait": false}); got.status != http.StatusOK {
		t.Errorf("answered %d %.200s", got.status, got.raw)
	}
	if err := unread.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	unread.noSpools(t)
}

// unreadable is the output of a job, and cannot be read back.
func unreadable(t *testing.T, th *theatre) executor.Result {
	t.Helper()
	r, err := th.rule(t.Context(), Request{ID: newID(), Order: Order{Command: "seq 20000"}})
	if err != nil || r.refusal != nil {
		t.Fatal(err, r)
	}
	result, err := th.runner.Run(t.Context(), r.job)
	if err != nil || result.Stdout.Len() < 100_000 {
		t.Fatalf("%+v, %v", result, err)
	}
	result.Close()
	return result
}

// TestUnreadableOutput: a disk that does not give back what was written to it costs a job its output, and not its end. A reply that breaks off is not
// taken for a whole one.
func TestUnreadableOutput(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{})
	result := unreadable(t, th)

	req := Request{ID: newID(), Time: th.now()}
	c := conclusion{Result: result}
	c.drop()
	if o := outcomeOf(req, c, nil); c.Stdout.Len() > 0 || !o.Stdout.Truncated || o.Stdout.Bytes != result.StdoutBytes || !c.Truncated {
		t.Errorf("%+v", o.Stdout)
	}

	l := accepted(t, th.Gateway, "true")
	l.request.Callback = &callback.Destination{Scheme: "http", Host: "func.test", Port: 80, Path: "/"}
	if err := th.journal.Begin(t.Context(), journal.Start{JobID: l.request.ID, At: th.now()}); err != nil {
		t.Fatal(err)
	}
	l.end(result)
	stdout, _, out := th.outputOf(t, l.request.ID)
	if job := l.statusInJournal(t); job.Status != journal.Exited || stdout != "" || !out.Stdout.Truncated || l.refusal != nil || !l.conclusion.Truncated {
		t.Errorf("%s, %+v, %v", job.Status, out.Stdout, l.refusal)
	}
	if c := th.callbackOf(t, l.request.ID); string(c.Body) != `{"kwargs":{"stdout":"","stderr":""}}` {
		t.Errorf("the callback is %s", c.Body)
	}

	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		th.reply(w, &outcome{ending: endingOf(nil, conclusion{Result: result})}, nil)
	}))
	defer s.Close()
	if resp, err := http.Get(s.URL); err == nil {
		resp.Body.Close()
		t.Errorf("answered %s", resp.Status)
	}
	if !strings.Contains(th.log.String(), "cannot be read back") {
		t.Errorf("the log says %s", th.log)
	}

	held := newTheatre(t, theatreOptions{}, on(wasm.PhaseResponse, "idle", ""))
	if c := held.conclude(req, nil, result); c.withheld == nil || c.Stdout != nil {
		t.Errorf("%+v", c)
	}
}
