package durability

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sidegate/sidegate/internal/audit"
)

// intruder changes a journal behind the gateway's back.
type intruder struct {
	t   *testing.T
	dir string
	db  *sql.DB
	contents
}

func (m *made) intrude(t *testing.T) *intruder {
	t.Helper()
	i := &intruder{t: t, dir: m.copy(t)}
	var err error
	i.contents, err = readAudit(t.Context(), i.dir)
	must(t, err)
	i.db, err = sql.Open("sqlite", filepath.Join(i.dir, "journal.db"))
	must(t, err)
	t.Cleanup(func() { i.db.Close() })
	return i
}

func (i *intruder) do(statement string, args ...any) {
	i.t.Helper()
	r, err := i.db.Exec(statement, args...)
	must(i.t, err)
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		i.t.Fatalf("%s changed nothing, %v", statement, err)
	}
}

// edited is leaf n with another client in it.
func (i *intruder) edited(n int) []byte {
	i.t.Helper()
	text := strings.Replace(string(i.leaves[n]), `"client":"func"`, `"client":"fund"`, 1)
	if text == string(i.leaves[n]) {
		i.t.Fatalf("leaf %d names no client: %s", n, text)
	}
	return []byte(text)
}

// next returns the first leaf from n on that names a client.
func (i *intruder) next(n int) int {
	for !strings.Contains(string(i.leaves[n]), `"client":"func"`) {
		n++
	}
	return n
}

// rehash makes the whole tree anew over the leaves as they are in i.
func (i *intruder) rehash() {
	i.t.Helper()
	var all []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (list []tlog.Hash, err error) {
		for _, index := range indexes {
			list = append(list, all[index])
		}
		return list, nil
	})
	i.do("DELETE FROM audit")
	i.do("DELETE FROM audit_hash")
	tx, err := i.db.Begin()
	must(i.t, err)
	for seq, leaf := range i.leaves {
		added, err := tlog.StoredHashes(int64(seq), leaf, reader)
		must(i.t, err)
		all = append(all, added...)
		var row []byte
		for _, h := range added {
			row = append(row, h[:]...)
		}
		_, err = tx.Exec("INSERT INTO audit (seq, leaf) VALUES (?, ?)", seq, leaf)
		must(i.t, err)
		_, err = tx.Exec("INSERT INTO audit_hash (seq, hashes) VALUES (?, ?)", seq, row)
		must(i.t, err)
	}
	must(i.t, tx.Commit())
}

// resign makes every checkpoint anew, with the key of the gateway, over the leaves as they are in i, and then the tree.
func (i *intruder) resign() {
	i.t.Helper()
	private, err := os.ReadFile(filepath.Join(i.dir, audit.PrivateFile))
	must(i.t, err)
	signer, err := note.NewSigner(strings.TrimSpace(string(private)))
	must(i.t, err)
	var all []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (list []tlog.Hash, err error) {
		for _, index := range indexes {
			list = append(list, all[index])
		}
		return list, nil
	})
	next := 0 // of the checkpoints: their leaves are in the same order
	for seq, leaf := range i.leaves {
		if l, err := audit.Decode(leaf); err == nil && l.Type == audit.CheckpointMade {
			size := i.checkpoints[next].Size
			root, err := tlog.TreeHash(size, reader)
			must(i.t, err)
			lines := strings.Split(l.Checkpoint, "\n") // the origin, the size, the root, the time
			lines[2] = root.String()
			signed, err := note.Sign(&note.Note{Text: strings.Join(lines[:4], "\n") + "\n"}, signer)
			must(i.t, err)
			l.Checkpoint = string(signed)
			i.leaves[seq] = l.Encode()
			i.do("UPDATE checkpoint SET note = ? WHERE size = ?", l.Checkpoint, size)
			next++
		}
		added, err := tlog.StoredHashes(int64(seq), i.leaves[seq], reader)
		must(i.t, err)
		all = append(all, added...)
	}
	i.rehash()
}

// verdict is what the program says of an audit.
type verdict struct {
	OK       bool
	Findings []audit.Finding
	Remarks  []string
}

// ask runs `sidegate audit verify`.
func (m *made) ask(t *testing.T, dir string, args ...string) (v verdict, exit int) {
	t.Helper()
	out, exit := m.run(t, append([]string{"audit", "verify", "--json", "--state-dir", dir}, args...)...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("exit code %d: %v: %s", exit, err, out)
	}
	return v, exit
}

// aboutLeaf are the kinds of findings that must name the leaf.
func aboutLeaf(k audit.Kind) bool {
	switch k {
	case audit.CheckpointMissing, audit.CheckpointForged, audit.CheckpointChanged, audit.LeafMisplaced, audit.HashMissing:
		return false
	}
	return true
}

// TestTampered changes the journal of a gateway in every way that an intruder may think of, and has the program say what was changed and where; and where only
// a checkpoint that was kept elsewhere shows it, it must not be found without, or the trial would not know what it tries.
func TestTampered(t *testing.T) {
	t.Parallel()
	m := makeJournal(t, 60)
	if v, exit := m.ask(t, m.state, "--key", m.key, "--checkpoint", m.kept); exit != 0 || !v.OK || len(v.Remarks) > 0 {
		t.Fatalf("what nobody has changed: exit code %d, %+v", exit, v)
	}
	for _, tt := range tamperings {
		t.Run(tt.name, func(t *testing.T) {
			i := m.intrude(t)
			at := i.next(len(i.leaves) / 2)
			tt.do(i, at)
			must(t, i.db.Close())
			alone, _ := m.ask(t, i.dir)
			if alone.OK != tt.kept {
				t.Errorf("without kept checkpoints: %v, %+v", alone.OK, alone.Findings)
			}
			if alone.OK && !strings.Contains(strings.Join(alone.Remarks, "\n"), "no checkpoint that was kept elsewhere was given") {
				t.Errorf("it is not said how little that means: %q", alone.Remarks)
			}
			v, exit := m.ask(t, i.dir, "--key", m.key, "--checkpoint", m.kept)
			if exit != 2 || v.OK {
				t.Errorf("exit code %d, %v", exit, v.OK)
			}
			found := slices.ContainsFunc(v.Findings, func(f audit.Finding) bool {
				return f.Kind == tt.want && (!aboutLeaf(tt.want) || f.Leaves != nil && f.Leaves.First <= int64(at) && f.Leaves.Last >= int64(at))
			})
			if !found {
				t.Errorf("no %s of leaf %d", tt.want, at)
			}
			for _, f := range v.Findings {
				t.Logf("leaf %d: %s: %s", at, f.Kind, f.Text)
			}
		})
	}
}

// TestRolledBack puts an older copy in place of a journal, and lets a gateway go on from there.
func TestRolledBack(t *testing.T) {
	t.Parallel()
	m := makeJournal(t, 60)
	size := func() int {
		t.Helper()
		all, err := readAudit(t.Context(), m.state)
		must(t, err)
		return len(all.leaves)
	}
	wanted := size()
	if v, exit := m.ask(t, m.older); exit != 0 {
		t.Errorf("an older copy by itself: %+v", v)
	}
	expect := func(kind audit.Kind, args ...string) {
		t.Helper()
		v, exit := m.ask(t, m.state, args...)
		if exit != 2 || !slices.ContainsFunc(v.Findings, func(f audit.Finding) bool { return f.Kind == kind }) {
			t.Errorf("exit code %d, and no %s: %+v", exit, kind, v.Findings)
		}
		for _, f := range v.Findings {
			t.Logf("%s: %s", f.Kind, f.Text)
		}
	}
	must(t, os.RemoveAll(m.state))
	copyDir(t, m.state, m.older)
	expect(audit.CutOff, "--key", m.key, "--checkpoint", m.kept)

	before, err := os.ReadFile(m.kept)
	must(t, err)
	for work := 20; size() <= wanted; work = 60 {
		p := m.start(t)
		m.await(t, p)
		for range work {
			c, err := m.load.next(true)
			must(t, err)
			m.load.open = append(m.load.open, c)
		}
		m.drain(t, m.load, p)
		if text, err := os.ReadFile(p.log); err != nil || !strings.Contains(string(text), "run sidegate audit verify") {
			t.Errorf("the gateway does not say that its log is an older copy: %v\n%s", err, p.tail())
		}
		if size() <= wanted {
			expect(audit.CutOff, "--key", m.key, "--checkpoint", m.kept)
		}
	}
	expect(audit.Rewritten, "--key", m.key, "--checkpoint", m.kept)
	if after, err := os.ReadFile(m.kept); err != nil || string(after) != string(before) {
		t.Errorf("the gateway went on signing, and has sent it: %v", err)
	}
}
