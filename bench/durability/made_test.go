package durability

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/journal"
)

// made is what gateways have left in order: the state directory, what was kept elsewhere, and a copy of the state from before the second half.
type made struct {
	*site
	older string // directory
	key   string // file with the public key that was kept elsewhere
	keys  audit.Keys
	load  *load
}

// makeJournal has two gateways, one after the other, do the work of so many calls each.
func makeJournal(t *testing.T, calls int) *made {
	t.Helper()
	r := receive(t)
	r.calm = true
	m := &made{site: newSite(t, layout{receiver: r.url, executor: "timeout: 1s, concurrency: 16, queue: 1000"})}
	m.older, m.key = filepath.Join(m.dir, "older"), filepath.Join(m.dir, "kept", "audit.pub")
	m.load = &load{site: m.site, receiver: r, ran: filepath.Join(m.out, "ran")}
	for i := range 2 {
		if i > 0 {
			copyDir(t, m.older, m.state)
		}
		p := m.start(t)
		m.await(t, p)
		for range calls {
			c, err := m.load.next(true)
			must(t, err)
			m.load.open = append(m.load.open, c)
		}
		m.drain(t, m.load, p)
		if wal, err := os.Stat(filepath.Join(m.state, "journal.db-wal")); err == nil && wal.Size() > 0 {
			t.Fatal("the gateway has left a WAL: what is changed in the file may not be what is read")
		}
	}
	must(t, copyFile(m.key, filepath.Join(m.state, audit.PublicFile)))
	text, err := os.ReadFile(m.key)
	must(t, err)
	m.keys, err = audit.ParseKeys(string(text))
	must(t, err)
	return m
}

// copy makes a copy of the state directory to do harm to.
func (m *made) copy(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "state")
	copyDir(t, dir, m.state)
	must(t, os.Remove(filepath.Join(dir, "ballast")))
	return dir
}

// copyDir copies a directory to where none is, with all modes.
func copyDir(t testing.TB, to, from string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
}

// verify verifies the audit of a journal as `sidegate audit verify` does, against the kept checkpoints where withKept says so. Where the program has to say
// it, use the program.
func (m *made) verify(ctx context.Context, dir string, withKept bool) (*audit.Report, error) {
	r, err := journal.OpenReadOnly(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	expect := audit.Expect{Keys: m.keys}
	if withKept {
		text, err := os.ReadFile(m.kept)
		if err != nil {
			return nil, err
		}
		kept, err := audit.ReadKept(m.kept, bytes.NewReader(text), m.keys)
		if err != nil {
			return nil, err
		}
		expect.Kept = []*audit.Kept{kept}
	}
	log, err := r.AuditLog(ctx)
	if err != nil {
		return nil, err
	}
	return audit.Verify(ctx, audit.Source{
		Leaves:      turned(log.Leaves(), func(l journal.Leaf) audit.Row { return audit.Row{Seq: l.Seq, Leaf: l.Data} }),
		Hashes:      turned(log.Hashes(), func(h journal.StoredHash) audit.HashRow { return audit.HashRow(h) }),
		Checkpoints: turned(log.Checkpoints(), func(c journal.Checkpoint) audit.Signed { return audit.Signed(c) }),
	}, expect)
}

func turned[From, To any](rows iter.Seq2[From, error], turn func(From) To) iter.Seq2[To, error] {
	return func(yield func(To, error) bool) {
		for row, err := range rows {
			if !yield(turn(row), err) {
				return
			}
		}
	}
}

// contents is all that an audit holds.
type contents struct {
	leaves      [][]byte
	numbers     []int64              // of the leaves
	hashes      []journal.StoredHash // of the tree
	checkpoints []journal.Checkpoint
}

func readAudit(ctx context.Context, dir string) (c contents, err error) {
	r, err := journal.OpenReadOnly(ctx, dir)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	log, err := r.AuditLog(ctx)
	if err != nil {
		return c, err
	}
	for l, err := range log.Leaves() {
		if err != nil {
			return c, err
		}
		c.leaves, c.numbers = append(c.leaves, bytes.Clone(l.Data)), append(c.numbers, l.Seq)
	}
	for h, err := range log.Hashes() {
		if err != nil {
			return c, err
		}
		c.hashes = append(c.hashes, journal.StoredHash{Index: h.Index, Hash: bytes.Clone(h.Hash)})
	}
	for p, err := range log.Checkpoints() {
		if err != nil {
			return c, err
		}
		c.checkpoints = append(c.checkpoints, p)
	}
	return c, nil
}
