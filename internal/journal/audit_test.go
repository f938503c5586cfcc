package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// model is the audit as golang.org/x/mod/sumdb/tlog has it, in memory.
type model struct {
	leaves [][]byte
	hashes []tlog.Hash
}

func (m *model) add(tb testing.TB, leaf []byte) {
	tb.Helper()
	more, err := tlog.StoredHashes(int64(len(m.leaves)), leaf, tlog.HashReaderFunc(m.read))
	must(tb, err)
	m.leaves, m.hashes = append(m.leaves, leaf), append(m.hashes, more...)
}

func (m *model) read(indexes []int64) ([]tlog.Hash, error) {
	list := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		list[i] = m.hashes[index]
	}
	return list, nil
}

// checkAudit compares all that is stored with the model.
func checkAudit(tb testing.TB, r *Reader, want *model) {
	tb.Helper()
	if n, err := r.AuditSize(tb.Context()); err != nil || n != int64(len(want.leaves)) {
		tb.Fatalf("the audit has %d leaves, %v; want %d", n, err, len(want.leaves))
	}
	next := int64(0)
	for {
		leaves, err := r.AuditLeaves(tb.Context(), next, 7)
		must(tb, err)
		for _, l := range leaves {
			if l.Seq != next || string(l.Data) != string(want.leaves[l.Seq]) {
				tb.Fatalf("leaf %d is %d %q, want %q", next, l.Seq, l.Data, want.leaves[next])
			}
			next++
		}
		if len(leaves) < 7 {
			break
		}
	}
	indexes := make([]int64, len(want.hashes))
	for i := range indexes {
		indexes[i] = int64(i)
	}
	hashes, err := r.ReadHashes(indexes)
	must(tb, err)
	if next != int64(len(want.leaves)) || !slices.Equal(hashes, want.hashes) {
		tb.Fatalf("%d leaves and %d hashes are not those that were stored", next, len(hashes))
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	var (
		m model
		x tree
	)
	for i := range 1100 {
		leaf := fmt.Append(nil, "leaf ", i)
		before := len(m.hashes)
		m.add(t, leaf)
		var want []byte
		for _, h := range m.hashes[before:] {
			want = append(want, h[:]...)
		}
		if got := x.add(tlog.RecordHash(leaf), []byte("x")); string(got) != "x"+string(want) {
			t.Fatalf("leaf %d is stored with %d bytes, want %d", i, len(got)-1, len(want))
		}
	}
}

// Leaves are appended in the order of their commits, with what they belong to, and stay when the journal is opened again.
func TestLeaves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var want model
	leaf := func(text string) []byte {
		want.add(t, []byte(text))
		return []byte(text)
	}
	for range 3 {
		j, err := Open(t.Context(), testConfig(dir))
		must(t, err)
		id := fmt.Sprint(nonces.Add(1))
		a := admission(id)
		a.Leaves = [][]byte{leaf("admitted"), leaf("started")}
		a.Begin = true
		must(t, j.Admit(t.Context(), a))
		must(t, j.Admit(t.Context(), Admission{Nonce: freshNonce(epoch), Leaves: [][]byte{leaf("denied")}}))
		o := outcome(id)
		text := leaf("ended")
		o.Leaf = func(Output) ([]byte, error) { return text, nil }
		must(t, j.Finish(t.Context(), o))
		must(t, j.Settle(t.Context(), Settlement{DeliveryID: o.Callback.DeliveryID, State: Dead, At: epoch, Leaf: leaf("dead")}))
		must(t, j.Record(t.Context()))
		must(t, j.Record(t.Context(), leaf("reload 1"), leaf("reload 2")))
		waits := inState(t, j, Accepted)
		must(t, j.Begin(t.Context(), Start{JobID: waits, At: epoch, Leaf: leaf("began")}))
		checkAudit(t, j.Reader, &want)
		must(t, j.Close())
	}
}

// What is refused leaves no leaf, and what is committed with it keeps its place.
func TestLeavesOfRefusedOperations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := openTest(t, dir)
		var want model
		var group sync.WaitGroup
		release := hold(t, j)
		for i := range 2*leavesAtOnce + 5 {
			leaf := fmt.Append(nil, "leaf ", i)
			if i%5 == 3 {
				group.Go(func() { wantErr(t, j.Begin(t.Context(), Start{JobID: "nobody", At: epoch, Leaf: leaf}), ErrNotFound) })
			} else {
				want.add(t, leaf)
				group.Go(func() { must(t, j.Record(t.Context(), leaf)) })
			}
			synctest.Wait()
		}
		release()
		group.Wait()
		wantErr(t, j.Record(t.Context(), []byte("good"), nil), ErrInvalid)
		wantErr(t, j.Admit(t.Context(), Admission{Nonce: freshNonce(epoch), Leaves: [][]byte{{}}}), ErrInvalid)
		wantErr(t, j.Begin(t.Context(), Start{JobID: "a", At: epoch, Leaf: []byte{}}), ErrInvalid)
		checkAudit(t, j.Reader, &want)
	})
}

// A transaction that is lost takes its leaves with it, and the tree goes on from where it was.
func TestLeavesOfALostTransaction(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := openTest(t, dir)
		var want model
		for i := range 5 {
			leaf := fmt.Append(nil, "leaf ", i)
			want.add(t, leaf)
			must(t, j.Record(t.Context(), leaf))

			lost := []func() error{
				func() error { return j.Record(t.Context(), []byte("lost")) },
				func() error { // as SQLite does after some errors
					return j.writer.do(t.Context(), op{name: "lose", run: func(st *statements) error {
						return errors.Join(errors.New("boom"), st.exec(st.rollback))
					}})
				},
			}
			if i%2 == 0 { // or when the leaves themselves are stored, and the last one cannot be
				taken := func(st *statements) error {
					_, err := j.writer.conn.ExecContext(context.Background(), "INSERT INTO audit_hash VALUES (?, zeroblob(32))", st.counts.tree.size)
					return err
				}
				lost[1] = func() error { return j.writer.do(t.Context(), op{name: "take", run: taken}) }
			}
			release := hold(t, j)
			var group sync.WaitGroup
			for _, f := range lost {
				group.Go(func() {
					if f() == nil {
						t.Error("a lost operation was acknowledged")
					}
				})
				synctest.Wait()
			}
			release()
			group.Wait()
		}
		checkAudit(t, j.Reader, &want)
	})
}

// A journal whose leaves and hashes do not belong together is not written to.
func TestDamagedAuditIsRefused(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"the last leaf is gone":     "DELETE FROM audit WHERE seq = 12",
		"the last hashes are gone":  "DELETE FROM audit_hash WHERE seq = 12",
		"an edge is gone":           "DELETE FROM audit_hash WHERE seq = 7",
		"an edge is short":          "UPDATE audit_hash SET hashes = substr(hashes, 1, 32) WHERE seq = 11",
		"a leaf has another number": "UPDATE audit SET seq = 100 WHERE seq = 12",
		"a negative number":         "DELETE FROM audit; DELETE FROM audit_hash; INSERT INTO audit VALUES (-7, x'00'); INSERT INTO audit_hash VALUES (-7, zeroblob(32))",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j, err := Open(t.Context(), testConfig(dir))
			must(t, err)
			for i := range 13 {
				must(t, j.Record(t.Context(), fmt.Append(nil, i)))
			}
			tamper(t, j, damage)
			must(t, j.Close())
			_, err = Open(t.Context(), testConfig(dir))
			wantErr(t, err, ErrCorrupt)
			if !strings.Contains(err.Error(), "audit verify") {
				t.Errorf("the error does not tell what to do: %v", err)
			}
		})
	}
}

// tamper runs a statement past all checks.
func tamper(tb testing.TB, j *Journal, statement string) {
	tb.Helper()
	must(tb, j.writer.do(tb.Context(), op{name: "tamper", run: func(*statements) error {
		_, err := j.writer.conn.ExecContext(tb.Context(), statement)
		return err
	}}))
}

// Proofs from the stored tree hold.
func TestProofs(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	const size = 700
	var leaves [][]byte
	for i := range size {
		leaves = append(leaves, fmt.Append(nil, "leaf ", i))
	}
	must(t, j.Record(t.Context(), leaves...))
	root, err := tlog.TreeHash(size, j)
	must(t, err)
	for range 50 {
		seq, old := rand.Int64N(size), 1+rand.Int64N(size)
		p, err := tlog.ProveRecord(size, seq, j)
		must(t, err)
		must(t, tlog.CheckRecord(p, size, root, seq, tlog.RecordHash(leaves[seq])))
		before, err := tlog.TreeHash(old, j)
		must(t, err)
		q, err := tlog.ProveTree(size, old, j)
		must(t, err)
		must(t, tlog.CheckTree(q, size, root, old, before))
	}
}

// Hashes are read in any order, together or not, and one that is missing is not made up.
func TestReadHashes(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	var want model
	for i := range 2000 {
		want.add(t, fmt.Append(nil, i))
	}
	must(t, j.Record(t.Context(), want.leaves...))
	for _, n := range []int{0, 1, 3, sparse - 1, sparse, sparse + 1, 3 * sparse} {
		indexes := make([]int64, n)
		for i := range indexes {
			indexes[i] = rand.Int64N(int64(len(want.hashes)))
		}
		got, err := j.ReadHashes(indexes)
		must(t, err)
		expected, _ := want.read(indexes)
		if !slices.Equal(got, expected) {
			t.Errorf("%d hashes are others than those that were stored", n)
		}
	}
	_, err := j.ReadHashes([]int64{0, -1})
	wantErr(t, err, ErrInvalid)
	_, err = j.ReadHashes([]int64{int64(len(want.hashes))})
	wantErr(t, err, ErrCorrupt)
	tamper(t, j, "DELETE FROM audit_hash WHERE seq = 100; UPDATE audit_hash SET hashes = zeroblob(96) WHERE seq = 101")
	for seq, says := range map[int64]string{100: "the hashes of leaf 100 of the audit are missing", 101: "leaf 101 of the audit has 96 bytes"} {
		_, err := j.ReadHashes([]int64{0, tlog.StoredHashIndex(0, seq)})
		wantErr(t, err, ErrCorrupt)
		if !strings.Contains(err.Error(), says) {
			t.Errorf("the error is %v", err)
		}
	}
}

// The whole audit is read as it was when the reading began, with what somebody put there.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	var want model
	for i := range 2*maxLeaves + 3 {
		want.add(t, fmt.Append(nil, i))
	}
	must(t, j.Record(t.Context(), want.leaves...))
	var group sync.WaitGroup
	for size := range int64(maxLeaves + 1) {
		group.Go(func() { must(t, j.AddCheckpoint(t.Context(), Checkpoint{size + 1, epoch, "n"}, nil)) })
	}
	group.Wait()
	l, err := j.AuditLog(t.Context())
	must(t, err)
	must(t, j.Record(t.Context(), []byte("later")))
	must(t, j.AddCheckpoint(t.Context(), Checkpoint{int64(len(want.leaves)) + 1, epoch, "later"}, nil))
	for range 2 {
		n := int64(0)
		for leaf, err := range l.Leaves() {
			if err != nil || leaf.Seq != n || string(leaf.Data) != string(want.leaves[n]) {
				t.Fatalf("leaf %d is %d %q, %v", n, leaf.Seq, leaf.Data, err)
			}
			n++
		}
		if n != int64(len(want.leaves)) {
			t.Errorf("%d leaves", n)
		}
		n = 0
		for h, err := range l.Hashes() {
			if err != nil || h.Index != n || string(h.Hash) != string(want.hashes[n][:]) {
				t.Fatalf("hash %d is %d %x, %v", n, h.Index, h.Hash, err)
			}
			n++
		}
		if n != int64(len(want.hashes)) {
			t.Errorf("%d hashes", n)
		}
		n = 0
		for c, err := range l.Checkpoints() {
			if n++; err != nil || c.Size != n {
				t.Fatalf("checkpoint %d is %+v, %v", n, c, err)
			}
		}
		if n != maxLeaves+1 {
			t.Errorf("%d checkpoints", n)
		}
	}
	for range l.Hashes() { // stopping early
		break
	}
}

// What somebody changed is shown as it is.
func TestAuditLogThatWasChanged(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	must(t, j.Record(t.Context(), []byte("0"), []byte("1"), []byte("2"), []byte("3")))
	tamper(t, j, `DELETE FROM audit WHERE seq = 1; UPDATE audit SET seq = -1 WHERE seq = 2; UPDATE audit_hash SET hashes = zeroblob(32) WHERE seq = 1;
		UPDATE audit_hash SET hashes = zeroblob(128) WHERE seq = 2; UPDATE audit_hash SET seq = -5 WHERE seq = 0; PRAGMA ignore_check_constraints = 1;
		UPDATE audit_hash SET hashes = zeroblob(70) WHERE seq = 3; PRAGMA ignore_check_constraints = 0; INSERT INTO audit VALUES (9, x'39')`)
	l, err := j.AuditLog(t.Context())
	must(t, err)
	var got []string
	for leaf, err := range l.Leaves() {
		must(t, err)
		got = append(got, fmt.Sprintf("%d=%s", leaf.Seq, leaf.Data))
	}
	for h, err := range l.Hashes() {
		must(t, err)
		got = append(got, fmt.Sprintf("%d:%d", h.Index, len(h.Hash)))
	}
	if want := "-1=2 0=0 3=3 9=9 -9223372036854775808:32 1:32 3:128 4:32 5:32 6:6"; strings.Join(got, " ") != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l, err = j.AuditLog(ctx)
	must(t, err)
	cancel()
	for _, err := range l.Leaves() {
		wantErr(t, err, context.Canceled)
	}
	for _, err := range l.Checkpoints() {
		wantErr(t, err, context.Canceled)
	}
}

// Checkpoints of more leaves than there are show that the log was cut off. One that comes later is not in it.
func TestAuditLogThatWasCutOff(t *testing.T) {
	t.Parallel()
	j := openTest(t, t.TempDir())
	must(t, j.Record(t.Context(), []byte("0"), []byte("1"), []byte("2"), []byte("3")))
	for _, size := range []int64{1, 2, 4} {
		must(t, j.AddCheckpoint(t.Context(), Checkpoint{size, epoch, "n"}, nil))
	}
	tamper(t, j, `DELETE FROM audit WHERE seq >= 1; DELETE FROM audit_hash WHERE seq >= 1`)
	l, err := j.AuditLog(t.Context())
	must(t, err)
	tamper(t, j, `INSERT INTO checkpoint (size, at, note) VALUES (5, 1, 'later')`)
	var sizes []int64
	for c, err := range l.Checkpoints() {
		must(t, err)
		sizes = append(sizes, c.Size)
	}
	if !slices.Equal(sizes, []int64{1, 2, 4}) {
		t.Errorf("checkpoints of %v leaves", sizes)
	}
}

func TestCheckpoints(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), testConfig(dir))
	must(t, err)
	_, err = j.LastCheckpoint(t.Context())
	wantErr(t, err, ErrNotFound)
	var (
		want model
		all  []Checkpoint
	)
	for i := range 5 {
		c := Checkpoint{Size: int64(len(want.leaves)) + 1, At: epoch.Add(time.Duration(i) * time.Second), Note: fmt.Sprint("note ", i)}
		wantErr(t, j.AddCheckpoint(t.Context(), c, []byte("too early")), ErrState)
		want.add(t, fmt.Append(nil, i))
		must(t, j.Record(t.Context(), fmt.Append(nil, i)))
		if i%2 == 0 {
			want.add(t, []byte("checkpoint"))
			must(t, j.AddCheckpoint(t.Context(), c, []byte("checkpoint")))
		} else {
			must(t, j.AddCheckpoint(t.Context(), c, nil))
		}
		wantErr(t, j.AddCheckpoint(t.Context(), c, []byte("again")), ErrExists)
		all = append(all, c)
	}
	for _, c := range []Checkpoint{{At: epoch, Note: "n"}, {Size: 1, Note: "n"}, {Size: 1, At: epoch}, {Size: -1, At: epoch, Note: "n"}} {
		wantErr(t, j.AddCheckpoint(t.Context(), c, nil), ErrInvalid)
	}
	must(t, j.Close())
	j = openTest(t, dir)
	checkAudit(t, j.Reader, &want)
	for size, from := range map[int64]int{-1: 0, 1: 0, 2: 1, all[3].Size: 3, 100: 5} {
		got, err := j.Checkpoints(t.Context(), size, 0)
		if must(t, err); !slices.Equal(got, all[from:]) {
			t.Errorf("checkpoints from %d are %v, want %v", size, got, all[from:])
		}
	}
	if got, err := j.Checkpoints(t.Context(), 0, 2); err != nil || !reflect.DeepEqual(got, all[:2]) {
		t.Errorf("the first two are %v, %v", got, err)
	}
	if got, err := j.LastCheckpoint(t.Context()); err != nil || got != all[4] {
		t.Errorf("the last is %v, %v", got, err)
	}
}

func TestLeafPage(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]int{-1: maxLeaves, 0: maxLeaves, 1: 1, maxLeaves + 1: maxLeaves} {
		if got := leafPage(limit); got != want {
			t.Errorf("leafPage(%d) = %d, want %d", limit, got, want)
		}
	}
}
