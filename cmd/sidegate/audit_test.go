package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/journal"
)

// auditStore lets a Maker work on a journal.
type auditStore struct{ *journal.Journal }

var _ audit.Store = auditStore{}

func (s auditStore) AddCheckpoint(ctx context.Context, c audit.Signed, leaf []byte) error {
	return s.Journal.AddCheckpoint(ctx, journal.Checkpoint(c), leaf)
}

func (s auditStore) Checkpoints(ctx context.Context, after int64, limit int) ([]audit.Signed, error) {
	stored, err := s.Journal.Checkpoints(ctx, after+1, limit)
	all := make([]audit.Signed, len(stored))
	for i, c := range stored {
		all[i] = audit.Signed(c)
	}
	return all, err
}

// makeAudit makes a log, or lets one go on, as writeAudit does: `make-audit STATE_DIR LEAVES KEPT`.
func makeAudit(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(writeAudit(ts.MkAbs(args[0]), n, ts.MkAbs(args[2])))
}

// writeAudit writes leaves that are about one job each, in turn denied and ended. Behind each ten there is a checkpoint, which is appended to the file kept
// too.
func writeAudit(dir string, n int, kept string) (err error) {
	ctx := context.Background()
	j, err := journal.Open(ctx, journal.Config{Dir: dir, LowWater: -1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	key, err := audit.OpenKey(dir, "web-1")
	if err != nil {
		return err
	}
	from, err := j.AuditSize(ctx)
	if err != nil {
		return err
	}
	for i := range n {
		l := audit.Leaf{Type: audit.Denied, Client: "func", Command: "rm -rf /srv", Decision: fmt.Sprintf("decision-%d", int(from)+i), Code: "denied", Reasons: []string{"no grant covers rm"}}
		if i%2 == 1 {
			l = audit.Leaf{Type: audit.Ended, Client: "agent", Status: "exited", ExitCode: new(0), Reason: "\x1b[31m\u202e"}
		}
		l.Time, l.Job = time.Date(2026, 3, 1, 12, 0, i, 0, time.UTC), fmt.Sprintf("job-%d", int(from)+i)
		if err := j.Record(ctx, l.Encode()); err != nil {
			return err
		}
		if i%10 == 9 {
			if err := signNow(ctx, j, key, kept); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestVerifyBesideAWriter: a log that grows while it is verified is no less right.
func TestVerifyBesideAWriter(t *testing.T) {
	t.Parallel()
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "kept")
	j, err := journal.Open(t.Context(), journal.Config{Dir: dir, LowWater: -1})
	if err != nil {
		t.Fatal(err)
	}
	key, err := audit.OpenKey(dir, "web-1")
	if err != nil {
		t.Fatal(err)
	}
	sink, err := audit.FileSink(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := audit.NewMaker(t.Context(), audit.MakerConfig{Tree: j, Store: auditStore{j}, Key: key, Leaves: 3, Sinks: []audit.Sink{sink}})
	if err != nil {
		t.Fatal(err)
	}
	signing, stop := context.WithCancel(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	var signed, writing sync.WaitGroup
	signed.Go(func() {
		if err := m.Run(signing); err != nil {
			t.Error(err)
		}
	})
	writing.Go(func() {
		for ctx.Err() == nil {
			if err := j.Record(ctx, audit.Leaf{Type: audit.Recovered, Time: time.Now()}.Encode()); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			m.Appended(1)
		}
	})
	for n := int64(0); n < 60 && !t.Failed(); {
		report := verifyNow(t, dir, file, key)
		if !report.OK() {
			t.Errorf("%d leaves: %+v", report.Size, report.Findings)
		}
		n = report.Kept.Good
	}
	cancel()
	writing.Wait()
	stop()
	signed.Wait()
	if report := verifyNow(t, dir, file, key); !report.OK() || report.Stored.Good != report.Kept.Good || len(report.Remarks) > 0 {
		t.Errorf("in the end: %+v", report)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// verifyNow verifies a log as the command does.
func verifyNow(t *testing.T, dir, file string, key *audit.Key) *audit.Report {
	t.Helper()
	r, err := journal.OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var kept []*audit.Kept
	if st, err := os.Stat(file); err == nil && st.Size() > 0 {
		if kept, err = readKept([]string{file}, key.Known()); err != nil {
			t.Fatal(err)
		}
	}
	source, _, err := auditSource(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(t.Context(), source, audit.Expect{Keys: key.Known(), Kept: kept})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// signNow has a checkpoint made and sent, as at the end of a gateway.
func signNow(ctx context.Context, j *journal.Journal, key *audit.Key, kept string) error {
	sink, err := audit.FileSink(kept)
	if err != nil {
		return err
	}
	var last audit.Signed
	if stored, err := j.LastCheckpoint(ctx); err == nil {
		last = audit.Signed(stored)
	}
	m, err := audit.NewMaker(ctx, audit.MakerConfig{Tree: j, Store: auditStore{j}, Key: key, Last: last, Sinks: []audit.Sink{sink}})
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return m.Run(ended)
}
