package durability

import (
	"bytes"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/sidegate/sidegate/internal/audit"
)

// A region is where something stands in the file of a journal.
type region struct {
	offset, length int64
}

// beforeLeaf is how far in a row the leaf begins at the latest.
const beforeLeaf = 8

// regions asks SQLite where the rows of the audit stand, and which table has which page.
func regions(t *testing.T, dir string, leaves [][]byte) (rows []region, pages map[int64]string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "journal.db"))
	must(t, err)
	defer db.Close()
	offsets, err := db.Query("SELECT seq, sqlite_offset(leaf) FROM audit ORDER BY seq")
	must(t, err)
	defer offsets.Close()
	for offsets.Next() {
		var seq int
		var r region
		must(t, offsets.Scan(&seq, &r.offset))
		// Before the record are its length and the number of the row, of up to two bytes each, and in it what describes it, of up to four.
		r.offset, r.length = r.offset-4, beforeLeaf+int64(len(leaves[seq]))-4
		rows = append(rows, r)
	}
	must(t, offsets.Err())
	stat, err := db.Query("SELECT name, pageno FROM dbstat")
	must(t, err)
	defer stat.Close()
	pages = map[int64]string{}
	for stat.Next() {
		var name string
		var number int64
		must(t, stat.Scan(&name, &number))
		pages[number] = name
	}
	must(t, stat.Err())
	return rows, pages
}

// flipper changes bytes in the file of a journal, one at a time.
type flipper struct {
	*made
	dir   string
	whole contents
	image []byte // of the file
	file  *os.File
}

// flip changes a bit of a byte, until the result is called.
func (f *flipper) flip(t *testing.T, at int64) (restore func()) {
	t.Helper()
	_, err := f.file.WriteAt([]byte{f.image[at] ^ 1<<rand.IntN(8)}, at)
	must(t, err)
	return func() {
		_, err := f.file.WriteAt(f.image[at:at+1], at)
		must(t, err)
	}
}

// TestFlippedBytes changes bytes in the rows of leaves, and anywhere. What changes the audit is named, and what does not is no alarm.
func TestFlippedBytes(t *testing.T) {
	t.Parallel()
	m := makeJournal(t, 150)
	f := &flipper{made: m, dir: m.copy(t)}
	path := filepath.Join(f.dir, "journal.db")
	var err error
	f.whole, err = readAudit(t.Context(), f.dir)
	must(t, err)
	f.image, err = os.ReadFile(path)
	must(t, err)
	f.file, err = os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	defer f.file.Close()
	rows, pages := regions(t, f.dir, f.whole.leaves)
	n := setting(t, "DURABILITY_FLIPS", 60)
	for i := range n {
		seq := i % len(rows)
		if n < len(rows) {
			seq = rand.IntN(len(rows))
		}
		f.inRow(t, int64(seq), rows[seq])
	}
	f.anywhere(t, n, pages)
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, f.image) {
		t.Error("the trial has not restored what it changed")
	}
}

// anywhere changes so many bytes of the file. Either the audit is what it was, or that is noticed.
func (f *flipper) anywhere(t *testing.T, n int, pages map[int64]string) {
	t.Helper()
	const pageSize = 4096
	noticed, unnoticed, broken := map[string]int{}, map[string]int{}, map[string]int{}
	for range n {
		at := rand.Int64N(int64(len(f.image)))
		table := pages[at/pageSize+1]
		restore := f.flip(t, at)
		report, err := f.verify(t.Context(), f.dir, true)
		now, readErr := readAudit(t.Context(), f.dir)
		changed := readErr != nil || !reflect.DeepEqual(now, f.whole)
		switch {
		case err != nil:
			broken[table]++
		case !report.OK():
			noticed[table]++
		default:
			unnoticed[table]++
		}
		if err == nil && report.OK() == changed {
			t.Errorf("byte %#x, in %s: the audit is another: %v, %v; and it verifies: %v", at, table, changed, readErr, report.OK())
		}
		restore()
	}
	for _, table := range slices.Sorted(maps.Keys(joined(noticed, unnoticed, broken))) {
		t.Logf("bytes changed in %-22s %4d named, %4d not in the audit, %4d make it unreadable", table, noticed[table], unnoticed[table], broken[table])
	}
}

func joined(all ...map[string]int) map[string]int {
	sum := map[string]int{}
	for _, m := range all {
		for k, v := range m {
			sum[k] += v
		}
	}
	return sum
}

// inRow changes a byte of the row of a leaf and wants that named, and little else. What describes the row stands before the leaf: if that was changed, the row
// may be another's, or cannot be read any more.
func (f *flipper) inRow(t *testing.T, seq int64, row region) {
	t.Helper()
	n := rand.Int64N(row.length)
	defer f.flip(t, row.offset+n)()
	inLeaf := n >= beforeLeaf
	what := fmt.Sprintf("byte %d of the row of leaf %d", n, seq)
	report, err := f.verify(t.Context(), f.dir, true)
	switch {
	case err != nil && !inLeaf:
		t.Logf("%s: %v", what, err)
		return
	case err != nil:
		t.Errorf("%s: %v", what, err)
		return
	case report.OK():
		if now, err := readAudit(t.Context(), f.dir); inLeaf || err != nil || !reflect.DeepEqual(now, f.whole) {
			t.Errorf("%s: nothing is noticed, and the audit is another: %v", what, err)
		}
		return
	}
	named := func(f audit.Finding) bool { return f.Leaves != nil && f.Leaves.First <= seq && f.Leaves.Last >= seq }
	if inLeaf && (!slices.ContainsFunc(report.Findings, named) || len(report.Findings) > 2) {
		t.Errorf("%s: %+v", what, report.Findings)
	}
}
