package gateway

import (
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/journal"
)

// TestOutputGivesWayOnAFullDisk: a disk without room for a long output has room for the end of its command. The reply, the journal and the callback say that
// the output was shortened, at the first try.
func TestOutputGivesWayOnAFullDisk(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	var free atomic.Int64
	free.Store(1 << 30)
	book, err := journal.Open(t.Context(), journal.Config{
		Dir: filepath.Join(t.TempDir(), "state"), Logger: slog.New(slog.DiscardHandler), Free: func(string) (int64, error) { return free.Load(), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	g.journal = book
	l := accepted(t, g, "seq 20000")
	l.request.Callback = &callback.Destination{Scheme: "http", Host: "func.test", Port: 80, Path: "/"}
	if err := book.Begin(t.Context(), journal.Start{JobID: l.request.ID, At: g.now()}); err != nil {
		t.Fatal(err)
	}
	l.begun = true
	free.Store(1 << 20)
	l.runToEnd(t.Context())
	if l.refusal != nil || !l.conclusion.Truncated {
		t.Fatalf("%v, %+v", l.refusal, l.conclusion.Result)
	}
	stdout, err1 := l.conclusion.Stdout.Bytes()
	stderr, err2 := l.conclusion.Stderr.Bytes()
	if err1 != nil || err2 != nil || len(stdout) > 5000 || !strings.HasPrefix(string(stdout), "1\n2\n") || !strings.HasSuffix(string(stdout), "\n19999\n20000\n") ||
		!strings.Contains(string(stdout), "\n[sidegate: 104798 bytes left out]\n") || string(stderr) != fullNote {
		t.Errorf("replied is %q and %q, %v, %v", stdout, stderr, err1, err2)
	}
	job := l.statusInJournal(t)
	kept, err := book.Output(t.Context(), job.ID)
	if err != nil || job.Status != journal.Exited || kept.Stdout.Size != int64(len(stdout)) || kept.Stdout.Bytes != 108894 || !kept.Stdout.Truncated || kept.Stderr.Size != int64(len(fullNote)) {
		t.Errorf("the journal has %s, %+v, %v", job.Status, kept, err)
	}
	due, _, err := book.Due(t.Context(), "http://func.test:80", g.now(), 1)
	if err != nil || len(due) != 1 || due[0].BodySize > 6000 {
		t.Fatalf("due are %+v, %v", due, err)
	}
	if err := book.Writable(t.Context()); err == nil {
		t.Error("the disk is not full: the test proves nothing")
	}
}

func TestShortenConclusion(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\x01", 10*keptWhenFull) // which as JSON is six times as long
	for _, tt := range []struct {
		name, stdout, stderr string
		cut                  bool
		end                  string // of stderr
	}{
		{"nothing", "", "", false, ""},
		{"short", "a", "b", false, "b"},
		{"stdout", long, "", true, fullNote},
		{"stdout, and a line of stderr", long, "b\n", true, "b\n" + fullNote},
		{"stdout, and a piece of stderr", long, "b", true, "b\n" + fullNote},
		{"stderr", "", long, true, "\x01\n" + fullNote},
		{"both", long, long, true, "\x01\n" + fullNote},
	} {
		c := conclusion{Result: executor.Result{
			Status: executor.StatusKilled, Stdout: executor.OutputOf([]byte(tt.stdout)), Stderr: executor.OutputOf([]byte(tt.stderr)),
			StdoutBytes: int64(len(tt.stdout)), StderrBytes: int64(len(tt.stderr)),
		}}
		if err := c.shorten(); err != nil {
			t.Fatal(err)
		}
		stderr, err := c.Stderr.Bytes()
		if err != nil || c.Truncated != tt.cut || !strings.HasSuffix(string(stderr), tt.end) {
			t.Errorf("%s: truncated %v, stderr %q, %v", tt.name, c.Truncated, stderr, err)
		}
		var body strings.Builder
		if _, err := (callbackBody{c: c}).WriteTo(&body); err != nil || body.Len() > 64<<10 {
			t.Errorf("%s: the callback has %d bytes, and needs a file, %v", tt.name, body.Len(), err)
		}
	}
}
