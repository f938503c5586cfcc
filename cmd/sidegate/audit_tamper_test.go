package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/journal"
)

// tampered is a journal at rest that tests change: 27 leaves, of which 10 and 21 hold checkpoints.
type tampered struct {
	*testing.T
	dir string
	key *audit.Key
}

func newTampered(t *testing.T) *tampered {
	t.Helper()
	w := &tampered{T: t, dir: t.TempDir()}
	if err := writeAudit(w.dir, 25, filepath.Join(t.TempDir(), "kept")); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.key, err = audit.OpenKey(w.dir, ""); err != nil {
		t.Fatal(err)
	}
	return w
}

// copy returns the same journal in another directory.
func (w *tampered) copy() *tampered {
	w.Helper()
	c := &tampered{T: w.T, dir: w.TempDir(), key: w.key}
	if err := os.WriteFile(filepath.Join(c.dir, "journal.db"), w.file(), 0o600); err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *tampered) file() []byte {
	w.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, "journal.db"))
	if err != nil {
		w.Fatal(err)
	}
	return data
}

// change does to the tables what somebody with a SQLite client can.
func (w *tampered) change(statements ...string) {
	w.Helper()
	db, err := sql.Open("sqlite", filepath.Join(w.dir, "journal.db")) // the driver comes with the journal
	if err != nil {
		w.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, s := range append([]string{"PRAGMA ignore_check_constraints = ON"}, statements...) {
		if _, err := db.Exec(s); err != nil {
			w.Fatalf("%s: %v", s, err)
		}
	}
}

// verify answers as `sidegate audit verify` does, and what an export holds.
func (w *tampered) verify(ctx context.Context) (*audit.Report, []byte, error) {
	r, err := journal.OpenReadOnly(ctx, w.dir)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	source, _, err := auditSource(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	report, err := audit.Verify(ctx, source, audit.Expect{Keys: w.key.Known()})
	if err != nil {
		return nil, nil, err
	}
	var leaves bytes.Buffer
	for row, err := range source.Leaves {
		if err != nil {
			return nil, nil, err
		}
		fmt.Fprintf(&leaves, "%d %s\n", row.Seq, row.Leaf)
	}
	return report, leaves.Bytes(), nil
}

// TestTamperedJournalIsNamed: what is done to the tables of a journal is found, and named.
func TestTamperedJournalIsNamed(t *testing.T) {
	t.Parallel()
	original := newTampered(t)
	const swap = "CREATE TABLE other AS SELECT * FROM %[1]s WHERE %[2]s IN (%[3]d, %[4]d); UPDATE %[1]s SET %[5]s = (SELECT %[5]s FROM other WHERE other.%[2]s = " +
		"%[3]d + %[4]d - %[1]s.%[2]s) WHERE %[2]s IN (%[3]d, %[4]d); DROP TABLE other"
	const altered = "UPDATE audit SET leaf = CAST(replace(CAST(leaf AS TEXT), 'job-5', 'job-6') AS BLOB) WHERE seq = 5"
	for _, test := range []struct {
		name, do string
		want     []string
	}{
		{"untouched", "SELECT 1", nil},
		{"a leaf", altered, []string{"leaf 5 was changed"}},
		{"all leaves", "UPDATE audit SET leaf = CAST('{}' AS BLOB)", []string{"leaves 0 to 25 were changed", "leaf 26 or the stored hash was changed; no checkpoint covers it yet, and nothing else tells which"}},
		{"a leaf emptied", "UPDATE audit SET leaf = x'' WHERE seq = 5", []string{"leaf 5 was changed"}},
		{"a leaf dropped", "DELETE FROM audit WHERE seq = 5", []string{"leaf 5 is missing"}},
		{"leaves swapped", fmt.Sprintf(swap, "audit", "seq", 5, 16, "leaf"), []string{"leaf 5 and leaf 16 were swapped"}},
		{"a leaf dropped with its hashes", "DELETE FROM audit WHERE seq = 5; DELETE FROM audit_hash WHERE seq = 5",
			[]string{"leaf 5 is missing", "stored hashes 8 to 9 are missing, or no hash"}},
		{"a leaf with another number", "UPDATE audit SET seq = 1000000000000 WHERE seq = 5",
			[]string{"leaf 5 is missing", "there is a row for leaf 1000000000000, where none can be"}},
		{"a leaf with a negative number", "UPDATE audit SET seq = -5 WHERE seq = 5", []string{"leaf 5 is missing", "there is a row for leaf -5, where none can be"}},
		{"leaves moved up", "DELETE FROM audit WHERE seq = 5; UPDATE audit SET seq = seq - 1 WHERE seq > 5",
			[]string{"leaf 26 is missing", "leaves 5 to 25 hold what was written 1 further on: something was removed, or they were put in another order"}},
		{"the log cut off", "DELETE FROM audit WHERE seq >= 15", []string{"leaves 15 to 26 are missing"}},
		{"the log cut off with its hashes", "DELETE FROM audit WHERE seq >= 15; DELETE FROM audit_hash WHERE seq >= 15",
			[]string{"the log ends with leaf 14, but the checkpoint of TIME in the journal signed 21 leaves: its end was cut off"}},
		{"everything dropped", "DELETE FROM audit; DELETE FROM audit_hash",
			[]string{"the log is empty, but the checkpoint of TIME in the journal signed 21 leaves: its end was cut off"}},
		{"all hashes dropped", "DELETE FROM audit_hash", []string{"stored hashes 0 to 49 are missing, or no hash"}},
		{"a hash", "UPDATE audit_hash SET hashes = zeroblob(32) WHERE seq = 4", []string{"the stored hash 7 (of leaf 4) was changed; the leaves are right"}},
		{"a row of hashes that is too long", "UPDATE audit_hash SET hashes = CAST(hashes || x'00' AS BLOB) WHERE seq = 4", []string{"stored hash 7 is missing, or no hash"}},
		{"a row of hashes that is too short", "UPDATE audit_hash SET hashes = substr(hashes, 1, 40) WHERE seq = 5", []string{"stored hash 9 is missing, or no hash"}},
		{"hashes swapped", fmt.Sprintf(swap, "audit_hash", "seq", 4, 16, "hashes"),
			[]string{"the stored hash 7 (of leaf 4) was changed; the leaves are right", "the stored hash 31 (of leaf 16) was changed; the leaves are right"}},
		{"a checkpoint dropped", "DELETE FROM checkpoint WHERE size = 10", []string{"the checkpoint of 10 leaves is missing, of which leaf 10 tells"}},
		{"a checkpoint of another size", "UPDATE checkpoint SET size = 11 WHERE size = 10", []string{
			"a row of checkpoints says 11 leaves, and what was signed in it 10", "the checkpoint of 10 leaves is missing, of which leaf 10 tells"}},
		{"a checkpoint of far more leaves", "UPDATE checkpoint SET size = 1000000000000 WHERE size = 21", []string{
			"a row of checkpoints says 1000000000000 leaves, and what was signed in it 21", "the checkpoint of 21 leaves is missing, of which leaf 21 tells"}},
		{"a checkpoint of another time", "UPDATE checkpoint SET at = 0 WHERE size = 10", []string{
			"the row of the checkpoint of 10 leaves says 1970-01-01T00:00:00Z, and what was signed in it TIME"}},
		{"a forged checkpoint", "UPDATE checkpoint SET note = replace(note, char(10) || '10' || char(10), char(10) || '11' || char(10)) WHERE size = 10", []string{
			"the checkpoint of 10 leaves in the journal: it was changed after it was signed, or forged"}},
		{"checkpoints swapped", fmt.Sprintf(swap, "checkpoint", "size", 10, 21, "note"), []string{
			"a row of checkpoints says 10 leaves, and what was signed in it 21", "a row of checkpoints says 21 leaves, and what was signed in it 10"}},
	} {
		w := original.copy()
		w.change(strings.Split(test.do, "; ")...)
		report, _, err := w.verify(t.Context())
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		var got []string
		for _, f := range report.Findings {
			text := f.Text
			if f.Checkpoint != nil {
				for _, word := range strings.Fields(text) {
					if strings.HasPrefix(word, "20") && strings.HasSuffix(word, "Z") {
						text = strings.Replace(text, word, "TIME", 1)
					}
				}
			}
			got = append(got, text)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
		}
	}
}

// TestNoFlippedByteIsMissed: wherever a bit of the file is changed, either the leaves are what they were, or it is said that they are not, or that the
// journal cannot be read.
func TestNoFlippedByteIsMissed(t *testing.T) {
	t.Parallel()
	original := newTampered(t)
	_, want, err := original.verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data := original.file()
	var leaves []int // where one begins
	for at := 0; ; at++ {
		next := bytes.Index(data[at:], []byte(`{"v":1,`))
		if next < 0 {
			break
		}
		at += next
		leaves = append(leaves, at)
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	w := original.copy()
	outcomes := map[string]int{}
	for range 300 {
		at := random.IntN(len(data))
		if random.IntN(2) == 0 {
			at = min(leaves[random.IntN(len(leaves))]+random.IntN(150), len(data)-1)
		}
		changed := bytes.Clone(data)
		changed[at] ^= 1 << random.IntN(8)
		for _, beside := range []string{"-wal", "-shm"} {
			_ = os.Remove(filepath.Join(w.dir, "journal.db"+beside))
		}
		if err := os.WriteFile(filepath.Join(w.dir, "journal.db"), changed, 0o600); err != nil {
			t.Fatal(err)
		}
		report, got, err := w.verify(t.Context())
		switch {
		case err != nil:
			outcomes["cannot be read"]++
		case !report.OK():
			outcomes["named"]++
		case bytes.Equal(got, want):
			outcomes["no part of the audit"]++
		default:
			t.Fatalf("seed %d: byte %d was changed, with it the leaves, and nothing was said", seed, at)
		}
	}
	if outcomes["named"] < 50 {
		t.Errorf("seed %d: %v", seed, outcomes)
	}
	t.Log(outcomes)
}
