package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// keep returns what a file of these checkpoints holds.
func keep(t testing.TB, keys Keys, checkpoints ...Signed) *Kept {
	t.Helper()
	var b strings.Builder
	for _, c := range checkpoints {
		b.WriteString(c.Note + "\n")
	}
	k, err := ReadKept("kept.txt", strings.NewReader(b.String()), keys)
	if err != nil || k.Len() != len(checkpoints) {
		t.Fatalf("%d of %d, %v", k.Len(), len(checkpoints), err)
	}
	return k
}

// rewrite makes all hashes fit the leaves, as somebody does who may write to the journal.
func (l *memoryLog) rewrite() {
	leaves := l.leaves
	l.leaves, l.hashes = nil, nil
	for _, m := range leaves {
		l.append(m.data)
	}
}

// resign makes the checkpoints, and their leaves, fit the leaves, as somebody does who may also read the key.
func (l *memoryLog) resign(t testing.TB) {
	old, checkpoints := l.leaves, l.checkpoints
	l.leaves, l.hashes, l.checkpoints = nil, nil, nil
	for _, m := range old {
		if isCheckpoint(m.data) {
			l.sign(t, checkpoints[len(l.checkpoints)].At)
		} else {
			l.append(m.data)
		}
	}
}

// TestFindings: every kind of finding, with what people read. The log has leaves 0 to 23, and checkpoints of 10 and 21 leaves.
func TestFindings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		do   func(*memoryLog)
		want []string
	}{
		{"untouched", func(*memoryLog) {}, nil},
		{"flipped", func(l *memoryLog) { l.leaves[3].data[20]++ }, []string{"leaf_changed: leaf 3 was changed"}},
		{"flipped in a checkpoint's leaf", func(l *memoryLog) { l.leaves[10].data[200]++ }, []string{"leaf_changed: leaf 10 was changed"}},
		{"two neighbours", func(l *memoryLog) { l.leaves[3].data[20]++; l.leaves[4].data[20]++ }, []string{"leaf_changed: leaves 3 to 4 were changed"}},
		{"in the last leaf, which has nothing above it", func(l *memoryLog) { l.append([]byte("x")); l.leaves[24].data[0]++ },
			[]string{"leaf_unclear: leaf 24 or the stored hash was changed; no checkpoint covers it yet, and nothing else tells which"}},
		{"hash", func(l *memoryLog) { l.hashes[4].hash[0]++ }, []string{"hash_changed: the stored hash 4 (of leaf 3) was changed; the leaves are right"}},
		{"hash above", func(l *memoryLog) { l.hashes[6].hash[0]++ }, []string{"hash_changed: the stored hash 6 (of leaves 0 to 3) was changed; the leaves are right"}},
		{"hash, and one above it that fits", func(l *memoryLog) {
			l.hashes[4].hash[0]++
			l.rehashNode(5, 3, 4)
		}, []string{"hash_changed: the stored hash 4 (of leaf 3) was changed; the leaves are right",
			"hash_changed: the stored hash 5 (of leaves 2 to 3) was changed; the leaves are right"}},
		{"hash, and all above it that fit, up to what was signed", func(l *memoryLog) {
			l.hashes[4].hash[0]++
			l.rehashNode(5, 3, 4)
			l.rehashNode(6, 2, 5)
			l.rehashNode(14, 6, 13)
			l.rehashNode(30, 14, 29)
		}, []string{
			"hash_changed: the stored hash 4 (of leaf 3) was changed; the leaves are right",
			"hash_changed: the stored hash 5 (of leaves 2 to 3) was changed; the leaves are right",
			"hash_changed: the stored hash 6 (of leaves 0 to 3) was changed; the leaves are right",
			"hash_changed: the stored hash 14 (of leaves 0 to 7) was changed; the leaves are right",
			"hash_changed: the stored hash 30 (of leaves 0 to 15) was changed; the leaves are right"}},
		{"leaf and hash", func(l *memoryLog) { l.leaves[3].data[20]++; l.rehash(3) },
			[]string{"leaf_changed: one or more of leaves 2 to 3 were changed together with the hashes below hash 5"}},
		{"leaf and a hash above it that fits, but not those between", func(l *memoryLog) {
			l.leaves[3].data[20]++
			pair := tlog.NodeHash(Hash(l.hashes[3].hash), tlog.RecordHash(l.leaves[3].data))
			four := tlog.NodeHash(Hash(l.hashes[2].hash), pair)
			l.hashes[6].hash = four[:]
		}, []string{"leaf_changed: one or more of leaves 0 to 7 were changed together with the hashes below hash 14"}},
		{"leaf and another hash", func(l *memoryLog) { l.leaves[3].data[20]++; l.hashes[tlog.StoredHashIndex(0, 12)].hash[0]++ },
			[]string{"leaf_changed: leaf 3 was changed", "hash_changed: the stored hash 22 (of leaf 12) was changed; the leaves are right"}},
		{"a leaf, and the hashes above it gone", func(l *memoryLog) { l.leaves[3].data[20]++; l.dropHashes(5, 6, 14, 30) },
			[]string{"leaf_changed: leaf 3 was changed", "hash_missing: stored hashes 5 to 6 are missing, or no hash",
				"hash_missing: stored hash 14 is missing, or no hash", "hash_missing: stored hash 30 is missing, or no hash"}},
		{"a hash, and those above it gone, and a leaf behind the next checkpoint", func(l *memoryLog) {
			l.hashes[4].hash[0]++
			l.leaves[13].data[20]++
			l.dropHashes(5, 6, 14, 30)
		}, []string{"leaf_changed: leaf 13 was changed", "hash_changed: the stored hash 4 (of leaf 3) was changed; the leaves are right",
			"hash_missing: stored hashes 5 to 6 are missing, or no hash", "hash_missing: stored hash 14 is missing, or no hash",
			"hash_missing: stored hash 30 is missing, or no hash"}},
		{"swapped", func(l *memoryLog) { l.leaves[3].data, l.leaves[8].data = l.leaves[8].data, l.leaves[3].data },
			[]string{"leaf_swapped: leaf 3 and leaf 8 were swapped"}},
		{"swapped with their hashes", func(l *memoryLog) {
			l.leaves[3].data, l.leaves[8].data = l.leaves[8].data, l.leaves[3].data
			l.rehash(3)
			l.rehash(8)
		}, []string{
			"leaf_changed: one or more of leaves 2 to 3 were changed together with the hashes below hash 5",
			"leaf_changed: one or more of leaves 8 to 9 were changed together with the hashes below hash 17",
		}},
		{"dropped", func(l *memoryLog) { l.leaves = slices.Delete(l.leaves, 3, 6) }, []string{"leaf_missing: leaves 3 to 5 are missing"}},
		{"dropped with its hash", func(l *memoryLog) {
			l.leaves, l.hashes = slices.Delete(l.leaves, 3, 4), slices.Delete(l.hashes, 4, 5)
		}, []string{"leaf_missing: leaf 3 is missing", "hash_missing: stored hash 4 is missing, or no hash"}},
		{"dropped with all that is above it", func(l *memoryLog) {
			l.leaves = slices.Delete(l.leaves, 3, 4)
			l.dropHashes(4, 5, 6, 14, 30)
		}, []string{"leaf_missing: leaf 3 is missing", "hash_missing: stored hashes 4 to 6 are missing, or no hash",
			"hash_missing: stored hash 14 is missing, or no hash", "hash_missing: stored hash 30 is missing, or no hash"}},
		{"the last dropped", func(l *memoryLog) { l.leaves = l.leaves[:22] }, []string{"leaf_missing: leaves 22 to 23 are missing"}},
		{"the first dropped", func(l *memoryLog) { l.leaves = l.leaves[1:] }, []string{"leaf_missing: leaf 0 is missing"}},
		{"moved up", func(l *memoryLog) {
			for i := 5; i < 23; i++ {
				l.leaves[i].data = l.leaves[i+1].data
			}
			l.leaves = l.leaves[:23]
		}, []string{
			"leaf_missing: leaf 23 is missing",
			"leaf_moved: leaves 5 to 22 hold what was written 1 further on: something was removed, or they were put in another order",
		}},
		{"a row behind the end", func(l *memoryLog) { l.leaves = append(l.leaves, memoryLeaf{1 << 40, []byte("x")}) },
			[]string{"leaf_misplaced: there is a row for leaf 1099511627776, where none can be"}},
		{"a row before the beginning", func(l *memoryLog) { l.leaves = append(l.leaves, memoryLeaf{-1, []byte("x")}) },
			[]string{"leaf_misplaced: there is a row for leaf -1, where none can be"}},
		{"a hash behind the end", func(l *memoryLog) { l.hashes = append(l.hashes, memoryHash{1 << 62, make([]byte, 32)}) },
			[]string{"hash_misplaced: stored hash 4611686018427387904 is where the tree has none"}},
		{"a short hash", func(l *memoryLog) { l.hashes[4].hash = l.hashes[4].hash[:31] }, []string{"hash_missing: stored hash 4 is missing, or no hash"}},
		{"rewritten", func(l *memoryLog) { l.leaves[3].data[20]++; l.rewrite() }, []string{
			"rewritten: leaves 0 to 9 are not what the checkpoint of 2026-03-01T12:00:00.009Z in the journal signed: something among what was written from the beginning was changed together with its hashes, or the log went on from an older copy"}},
		{"rewritten later", func(l *memoryLog) { l.leaves[13].data[20]++; l.rewrite() }, []string{
			"rewritten: leaves 10 to 20 are not what the checkpoint of 2026-03-01T12:00:00.019Z in the journal signed: something among what was written since the one of 2026-03-01T12:00:00.009Z was changed together with its hashes, or the log went on from an older copy"}},
		{"cut off with everything", func(l *memoryLog) {
			l.leaves, l.hashes = l.leaves[:20], l.hashes[:tlog.StoredHashCount(20)]
		}, []string{
			"cut_off: the log ends with leaf 19, but the checkpoint of 2026-03-01T12:00:00.019Z in the journal signed 21 leaves: its end was cut off"}},
		{"cut off behind a checkpoint", func(l *memoryLog) {
			l.leaves, l.hashes = l.leaves[:21], l.hashes[:tlog.StoredHashCount(21)]
		}, []string{"checkpoint_alone: no leaf tells of the checkpoint of 21 leaves in the journal: leaves behind it were removed, or it was added"}},
		{"emptied", func(l *memoryLog) { l.leaves, l.hashes = nil, nil }, []string{
			"cut_off: the log is empty, but the checkpoint of 2026-03-01T12:00:00.019Z in the journal signed 21 leaves: its end was cut off",
		}},
		{"forged", func(l *memoryLog) {
			l.checkpoints[0].Note = strings.Replace(l.checkpoints[0].Note, "\n10\n", "\n11\n", 1)
		},
			[]string{"checkpoint_forged: the checkpoint of 10 leaves in the journal: it was changed after it was signed, or forged"}},
		{"by another key", func(l *memoryLog) {
			other := *l.key
			l.key = newKey(t)
			l.sign(t, epoch)
			*l.key = other
		}, []string{"checkpoint_forged: the checkpoint of 24 leaves in the journal: it is of another log: ORIGIN"}},
		{"a damaged checkpoint", func(l *memoryLog) { l.checkpoints[0].Note = "x" },
			[]string{"checkpoint_forged: the checkpoint of 10 leaves in the journal: it is damaged (not a checkpoint: it is not a signed note)"}},
		{"another checkpoint of the same leaves", func(l *memoryLog) {
			c := l.clone()
			c.leaves, c.hashes = c.leaves[:10], c.hashes[:tlog.StoredHashCount(10)]
			l.checkpoints[0] = c.sign(t, epoch)
		}, []string{"checkpoint_changed: the checkpoint of 10 leaves is not the one that leaf 10 tells of"}},
		{"a row says another size", func(l *memoryLog) { l.checkpoints[0].Size = 9 }, []string{
			"checkpoint_changed: a row of checkpoints says 9 leaves, and what was signed in it 10"}},
		{"a row says another time", func(l *memoryLog) { l.checkpoints[0].At = epoch }, []string{
			"checkpoint_changed: the row of the checkpoint of 10 leaves says 2026-03-01T12:00:00Z, and what was signed in it 2026-03-01T12:00:00.009Z"}},
		{"a checkpoint dropped", func(l *memoryLog) { l.checkpoints = l.checkpoints[1:] },
			[]string{"checkpoint_missing: the checkpoint of 10 leaves is missing, of which leaf 10 tells"}},
	} {
		log := newLog(t, 22, 10)
		if log.size() != 22 || len(log.checkpoints) != 2 {
			t.Fatal(log.size(), log.checkpoints)
		}
		log.append([]byte("not JSON"))
		log.append([]byte("{}"))
		test.do(log)
		r := log.verify(t)
		var got []string
		for _, f := range r.Findings {
			got = append(got, string(f.Kind)+": "+f.Text)
		}
		want := strings.Join(test.want, "\n")
		if test.name == "by another key" {
			opened, _ := Unverified(log.checkpoints[2].Note)
			want = strings.ReplaceAll(want, "ORIGIN", opened.Origin)
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, strings.Join(got, "\n     "), want)
		}
		if r.OK() != (len(test.want) == 0) {
			t.Errorf("%s: OK is %v", test.name, r.OK())
		}
	}
}

// TestKept: what only a checkpoint shows that was kept elsewhere.
func TestKept(t *testing.T) {
	t.Parallel()
	original := newLog(t, 22, 10)
	for _, test := range []struct {
		name string
		do   func(*memoryLog) *memoryLog
		want string
	}{
		{"untouched", func(l *memoryLog) *memoryLog { return l }, ""},
		{"an older copy", func(l *memoryLog) *memoryLog {
			l.leaves, l.hashes, l.checkpoints = l.leaves[:12], l.hashes[:tlog.StoredHashCount(12)], l.checkpoints[:1]
			return l
		}, "cut_off: the log ends with leaf 11, but the checkpoint of 2026-03-01T12:00:00.019Z in kept.txt, line 8 signed 21 leaves: an older copy of the journal was put in its place, or its end was cut off"},
		{"an older copy that went on", func(l *memoryLog) *memoryLog {
			l.leaves, l.hashes, l.checkpoints = l.leaves[:12], l.hashes[:tlog.StoredHashCount(12)], l.checkpoints[:1]
			for range 30 {
				l.append(exampleLeaf().Encode())
			}
			l.sign(t, epoch.Add(time.Hour))
			return l
		}, "rewritten: leaves 10 to 20 are not what the checkpoint of 2026-03-01T12:00:00.019Z in kept.txt, line 8 signed: something among what was written since the one of 2026-03-01T12:00:00.009Z was changed together with its hashes, or the log went on from an older copy"},
		{"written and signed anew", func(l *memoryLog) *memoryLog {
			l.leaves[3].data[20]++
			l.resign(t)
			return l
		}, "rewritten: leaves 0 to 9 are not what the checkpoint of 2026-03-01T12:00:00.009Z in kept.txt, line 1 signed: something among what was written from the beginning was changed together with its hashes, or the log went on from an older copy"},
		{"begun anew", func(l *memoryLog) *memoryLog {
			c := newLog(t, 4, 0)
			c.key = l.key
			return c
		}, "cut_off: the log ends with leaf 3, but the checkpoint of 2026-03-01T12:00:00.019Z in kept.txt, line 8 signed 21 leaves: an older copy of the journal was put in its place, or its end was cut off"},
	} {
		log := test.do(original.clone())
		if r := log.verify(t); !r.OK() {
			t.Errorf("%s: without the kept checkpoints: %s", test.name, texts(r))
		}
		r := log.verify(t, keep(t, log.key.Known(), original.checkpoints...))
		got := ""
		for _, f := range r.Findings {
			got += string(f.Kind) + ": " + f.Text
		}
		if got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
		if test.want == "" && (r.Kept.Good != 2 || r.Kept.Covered != 21 || !r.Kept.Time.Equal(epoch.Add(19*time.Millisecond))) {
			t.Errorf("%s: %+v", test.name, r.Kept)
		}
	}
}

// TestExport: a log of which there are the leaves only.
func TestExport(t *testing.T) {
	t.Parallel()
	log := newLog(t, 22, 10)
	leavesOnly := func() Source { return Source{Leaves: log.source().Leaves} }
	expect := Expect{Keys: log.key.Known(), Kept: []*Kept{keep(t, log.key.Known(), log.checkpoints...)}}
	r, err := Verify(t.Context(), leavesOnly(), expect)
	if err != nil || !r.OK() || r.Stored.Good != 2 || r.Kept.Good != 2 || r.Size != 22 {
		t.Fatalf("%+v, %v", r, err)
	}
	log.leaves[13].data[20]++
	r, err = Verify(t.Context(), leavesOnly(), expect)
	if err != nil || len(r.Findings) != 2 || !names(10, 20, Rewritten)(r.Findings[0]) || r.Findings[1].Checkpoint.Where != "leaf 21" {
		t.Fatalf("%+v, %v", r, err)
	}
	log.leaves[10].data = Leaf{Type: CheckpointMade, Time: epoch, Checkpoint: log.checkpoints[1].Note}.Encode()
	r, err = Verify(t.Context(), leavesOnly(), Expect{Keys: log.key.Known()})
	if want := "leaf 10 holds no checkpoint of leaves before it"; err != nil || !strings.Contains(texts(r), want) {
		t.Fatalf("%+v, %v; want %s", r, err, want)
	}
}

func TestRemarks(t *testing.T) {
	t.Parallel()
	log, other := newLog(t, 22, 10), newLog(t, 22, 10)
	log.append([]byte(`{"v":2,"time":"2026-03-01T12:00:00.000000Z","type":"later"}`))
	both := keep(t, log.key.Known(), log.checkpoints...)
	both.add(piece{15, other.checkpoints[0].Note}, log.key.Known())
	both.add(piece{22, log.checkpoints[0].Note[:120]}, log.key.Known())
	r := log.verify(t, both)
	want := []string{
		"kept.txt has 1 checkpoints of other logs, such as " + other.key.Origin() + "; they were left out",
		"kept.txt holds something that is no whole checkpoint, first at line 22; it was passed over",
		"1 leaves are as they were written, but not in a form that this version reads",
		"leaves 21 to 22 are not signed yet",
	}
	if !r.OK() || !slices.Equal(r.Remarks, want) {
		t.Errorf("got %s%s\nwant %s", strings.Join(r.Remarks, "\n"), texts(r), strings.Join(want, "\n"))
	}
	only, err := ReadKept("kept.txt", strings.NewReader(other.checkpoints[0].Note), log.key.Known())
	if err != nil {
		t.Fatal(err)
	}
	empty, err := ReadKept("empty.txt", strings.NewReader("\n"), log.key.Known())
	if err != nil {
		t.Fatal(err)
	}
	wantFindings := "\n\tkept_foreign: no checkpoint in kept.txt is of this log (" + log.key.Origin() + "); they are of " + other.key.Origin() +
		"\n\tkept_foreign: empty.txt holds no checkpoint"
	if r := log.verify(t, only, empty); texts(r) != wantFindings {
		t.Errorf("got %s\nwant %s", texts(r), wantFindings)
	}
	log.leaves, log.hashes = slices.Delete(log.leaves, 3, 4), nil
	if r := log.verify(t); !slices.Contains(r.Remarks, "2 checkpoints could not be compared, because leaves before them are missing with their hashes") {
		t.Error(r.Remarks)
	}
	if r := (&memoryLog{key: log.key}).verify(t); !r.OK() || r.Size != 0 {
		t.Errorf("an empty log: %+v", r)
	}
	young := newLog(t, 3, 0) // the file that a gateway appends to is there before the first checkpoint
	if r := young.verify(t, empty); !r.OK() || !slices.Contains(r.Remarks, "empty.txt holds no checkpoint yet, and neither does the log") {
		t.Errorf("before the first checkpoint: %q%s", r.Remarks, texts(r))
	}
}

// TestVerifyStops: when the log cannot be read to its end there is no report.
func TestVerifyStops(t *testing.T) {
	t.Parallel()
	log := newLog(t, 22, 10)
	broken := errors.New("broken")
	for i, s := range []Source{
		{Leaves: failing(log.source().Leaves, broken), Hashes: log.source().Hashes, Checkpoints: log.source().Checkpoints},
		{Leaves: log.source().Leaves, Hashes: failing(log.source().Hashes, broken), Checkpoints: log.source().Checkpoints},
		{Leaves: log.source().Leaves, Hashes: log.source().Hashes, Checkpoints: failing(log.source().Checkpoints, broken)},
		{Leaves: failing(log.source().Leaves, broken)},
	} {
		if r, err := Verify(t.Context(), s, Expect{Keys: log.key.Known()}); !errors.Is(err, broken) || r != nil {
			t.Errorf("%d: %v, %v", i, r, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ended, log.source(), Expect{Keys: log.key.Known()}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	seen := int64(-1)
	if _, err := Verify(t.Context(), log.source(), Expect{Keys: log.key.Known(), Progress: func(n int64) { seen = n }}); err != nil || seen != 0 {
		t.Error(seen, err)
	}
}

// failing ends a sequence with an error.
func failing[T any](rows iter.Seq2[T, error], err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for row := range rows {
			if !yield(row, nil) {
				return
			}
		}
		var none T
		yield(none, err)
	}
}

// TestHostileLogsEnd: rows with numbers from anywhere are reported in bounded time and memory.
func TestHostileLogsEnd(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	many := func(yield func(Row, error) bool) {
		for i := range int64(1_000) {
			if !yield(Row{i*1000 + 1, []byte("x")}, nil) {
				return
			}
		}
	}
	far := func(yield func(HashRow, error) bool) {
		yield(HashRow{maxIndex, make([]byte, 32)}, nil)
	}
	wrong := func(yield func(HashRow, error) bool) {
		for i := range int64(400_000) {
			if !yield(HashRow{i, make([]byte, 32)}, nil) {
				return
			}
		}
	}
	high := func(yield func(Row, error) bool) { yield(Row{maxSize - 1, nil}, nil) }
	for i, s := range []Source{
		{Leaves: many, Hashes: far},
		{Leaves: many, Hashes: wrong},
		{Leaves: high, Hashes: far},
		{Leaves: high},
		{Leaves: each(make([]memoryLeaf, 300_000), func(memoryLeaf) Row { return Row{0, nil} }), Hashes: wrong},
	} {
		r, err := Verify(t.Context(), s, Expect{Keys: key.Known()})
		if err != nil || r.OK() || len(r.Findings) > maxFindings {
			t.Errorf("%d: %v, %v", i, r, err)
		}
	}
}

func ExampleVerify() {
	log := newLog(&testing.T{}, 1000, 100)
	log.leaves[314].data[20] ^= 1
	r, err := Verify(context.Background(), log.source(), Expect{Keys: log.key.Known()})
	if err != nil {
		panic(err)
	}
	for _, f := range r.Findings {
		fmt.Println(f.Text)
	}
	// Output: leaf 314 was changed
}
